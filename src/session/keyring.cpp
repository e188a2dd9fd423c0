#include "session/keyring.hpp"

#include "base/bytes.hpp"
#include "base/descriptor.hpp"
#include "base/random.hpp"
#include "session/errors.hpp"

#include <sodium.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>

namespace lethe::session {
namespace {

// A key takes 64 characters at most; what is longer is another file.
constexpr std::size_t file_bytes_max = 256;

secret derive(const secret& from, std::string_view purpose) {
    std::string out(key_bytes, '\0');
    const auto bytes = from.reveal();
    const int failed =
        crypto_generichash(reinterpret_cast<unsigned char*>(out.data()), out.size(),
                           reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size(),
                           reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    LETHE_ASSERT(failed == 0);
    return secret(std::move(out));
}

// 32 bytes; nullopt for anything else.
std::optional<secret> parse_key_text(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
        text.remove_suffix(1);
    for (const auto decode : {from_base64, from_base64url, from_hex}) {
        result<std::string> bytes = decode(text);
        if (bytes.has_value() && bytes->size() == key_bytes) return secret(*std::move(bytes));
    }
    return std::nullopt;
}

std::string with_reason(std::string_view what, int error) {
    return std::string(what) + " (" + std::generic_category().message(error) + ")";
}

// What is wrong with the file; "" when it was read.
std::string read_key_file(const std::string& path, std::string& text) {
    const descriptor opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!opened.is_open()) return with_reason("cannot be read", errno);
    struct stat status{};
    if (::fstat(opened.number(), &status) != 0) return with_reason("cannot be read", errno);
    if (!S_ISREG(status.st_mode)) return "is not a file";
    constexpr mode_t others = S_IWGRP | S_IXGRP | S_IRWXO;
    if ((status.st_mode & others) != 0)
        return "may be read or changed by others: chmod 600, or 640 for a group of its own";
    std::array<char, file_bytes_max + 1> bytes{};
    std::size_t filled = 0;
    while (filled < bytes.size()) {
        const ssize_t got = ::read(opened.number(), bytes.data() + filled, bytes.size() - filled);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return with_reason("cannot be read", errno);
        if (got == 0) break;
        filled += static_cast<std::size_t>(got);
    }
    text.assign(bytes.data(), filled);
    sodium_memzero(bytes.data(), bytes.size());
    return {};
}

constexpr const char* length_words =
    "is not a key: 32 bytes as base64 or 64 hexadecimal digits are needed, such as `lethe session "
    "key` makes";

// What is wrong with the key; "" when `to` has it.
std::string read_key(const key_source& from, secret& to) {
    if (!is_key_id(from.id))
        return "the id '" + from.id.substr(0, 32) + "' is not 1 to 16 letters, digits, '-' and '_'";
    if (from.file.empty() == from.text.empty())
        return "the key " + from.id + " needs either a file or its text";
    std::string text(from.text.reveal());
    if (!from.file.empty()) {
        const std::string problem = read_key_file(from.file, text);
        if (!problem.empty()) return "the key file '" + from.file + "' " + problem;
    }
    std::optional<secret> bytes = parse_key_text(text);
    sodium_memzero(text.data(), text.size());
    if (!bytes)
        return (from.file.empty() ? "the text of the key " + from.id
                                  : "the key file '" + from.file + "'") +
               " " + length_words;
    to = *std::move(bytes);
    return {};
}

}  // namespace

bool is_key_id(std::string_view id) noexcept {
    return !id.empty() && id.size() <= key_id_bytes_max &&
           std::all_of(id.begin(), id.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_';
           });
}

const keyring::key* keyring::find(std::string_view id) const noexcept {
    const auto at =
        std::find_if(keys_.begin(), keys_.end(), [id](const key& one) { return one.id == id; });
    return at == keys_.end() ? nullptr : &*at;
}

bool keyring::is_retired(std::string_view id) const noexcept {
    return std::find(retired_.begin(), retired_.end(), id) != retired_.end();
}

error_code keyring::why_missing(std::string_view id) const noexcept {
    return make_error_code(is_retired(id) ? errc::key_retired : errc::key_missing);
}

loaded_keyring load_keyring(const std::vector<key_source>& keys,
                            const std::vector<std::string>& retired) {
    loaded_keyring out;
    auto ring = std::make_shared<keyring>();
    std::vector<secret> seen;
    for (out.index = 0; out.index < keys.size(); ++out.index) {
        const key_source& from = keys[out.index];
        secret bytes;
        out.problem = read_key(from, bytes);
        if (!out.problem.empty()) return out;
        if (ring->find(from.id) != nullptr ||
            std::find(retired.begin(), retired.end(), from.id) != retired.end()) {
            out.problem =
                "the id " + from.id + " comes twice: each key has an id of its own, for ever";
            return out;
        }
        for (const secret& other : seen)
            if (equal_constant_time(other.reveal(), bytes.reveal())) {
                out.problem = "the key " + from.id + " is the same as another: an id names one key";
                return out;
            }
        ring->keys_.push_back({from.id, derive(bytes, "lethe session record key 1"),
                               derive(bytes, "lethe session cookie key 1")});
        seen.push_back(std::move(bytes));
    }
    out.index = 0;
    ring->retired_ = retired;
    if (!keys.empty()) out.ring = std::move(ring);
    return out;
}

std::string make_key_text(random_source& random) {
    return to_base64(random.bytes(key_bytes));
}

}  // namespace lethe::session
