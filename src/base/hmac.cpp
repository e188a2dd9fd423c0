#include "base/hmac.hpp"

#include "base/bytes.hpp"

#include <sodium.h>

#include <array>

namespace lethe {
namespace {

constexpr std::size_t block_bytes = 64;

}  // namespace

std::string hmac_sha256(std::string_view key, std::initializer_list<std::string_view> parts) {
    const std::string hashed = key.size() > block_bytes ? sha256(key) : std::string();
    const std::string_view used = hashed.empty() ? key : std::string_view(hashed);
    std::array<char, block_bytes> block;
    const auto pad = [&](char with) {
        block.fill(with);
        for (std::size_t i = 0; i < used.size(); ++i)
            block[i] = static_cast<char>(block[i] ^ used[i]);
        return std::string_view(block.data(), block.size());
    };
    sha256_stream inner;
    inner.update(pad('\x36'));
    for (const std::string_view part : parts) inner.update(part);
    sha256_stream outer;
    outer.update(pad('\x5c'));
    outer.update(inner.finish());
    sodium_memzero(block.data(), block.size());
    return outer.finish();
}

}  // namespace lethe
