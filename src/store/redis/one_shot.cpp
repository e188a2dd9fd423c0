#include "store/redis/one_shot.hpp"

#include "store/redis/link.hpp"
#include "store/redis/resp.hpp"

#include <array>

namespace lethe::store::redis {
namespace {

constexpr std::size_t reply_bytes_max = std::size_t{8} * 1024 * 1024;

}  // namespace

task<std::vector<std::string>> ask_once(net::worker& on, const settings& with, net::address to,
                                        std::string request, std::size_t replies,
                                        steady_time deadline) {
    result<net::stream> made = co_await connect_to(on, with, std::move(to), deadline);
    if (made.has_error()) co_return LETHE_ERR(errc::unavailable);
    made->expires_at(deadline);
    const std::array<std::string_view, 1> pieces = {request};
    const result<> written = co_await made->write(pieces);
    if (written.has_error()) co_return LETHE_ERR(errc::unavailable);
    std::vector<std::string> out;
    std::string bytes;
    std::array<char, 4096> piece;
    resp::cutter cutter;
    while (out.size() < replies) {
        if (!bytes.empty()) {
            const result<std::size_t> size = cutter.cut(bytes);
            if (size.has_error()) co_return size.error();
            if (*size != 0) {
                out.push_back(bytes.substr(0, *size));
                bytes.erase(0, *size);
                continue;
            }
        }
        if (bytes.size() > reply_bytes_max) co_return LETHE_ERR(errc::corrupt);
        const result<std::size_t> got = co_await made->read_some(piece);
        if (got.has_error() || *got == 0) co_return LETHE_ERR(errc::unavailable);
        bytes.append(piece.data(), *got);
    }
    co_return out;
}

}  // namespace lethe::store::redis
