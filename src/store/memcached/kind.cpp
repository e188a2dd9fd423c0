#include "store/memcached/kind.hpp"

#include "store/memcached/store.hpp"
#include "store/server_url.hpp"

#include <algorithm>
#include <utility>

namespace lethe::store::memcached {
namespace {

constexpr std::uint16_t default_port = 11211;
constexpr std::size_t prefix_bytes_max = 32;

// No colon: it ends the prefix.
bool is_prefix(std::string_view text) {
    return !text.empty() && text.size() <= prefix_bytes_max &&
           std::ranges::all_of(text, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
           });
}

bool fits_login(std::string_view text) {
    return text.size() <= 256 &&
           std::ranges::none_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

result<settings> parse(std::string_view url, std::string& why) {
    LETHE_TRY(server_url parsed, parse_server_url(url, default_port, why));
    settings out{.hosts = std::move(parsed.hosts),
                 .user = std::move(parsed.user),
                 .password = std::move(parsed.password)};
    if (!parsed.path.empty()) {
        why = "memcached:// has no databases: nothing may stand behind the hosts but options";
        return LETHE_ERR(errc::malformed);
    }
    for (auto& [name, value] : parsed.options) {
        if (name == "prefix" && is_prefix(value)) {
            out.prefix = std::move(value);
            continue;
        }
        why = "memcached:// has one option, ?prefix=NAME: 1 to 32 letters, digits, - _ and .";
        return LETHE_ERR(errc::malformed);
    }
    // The server takes "user password" as one text.
    if (out.user.empty() != out.password.empty() || !fits_login(out.user) ||
        !fits_login(out.password.reveal()) || out.user.find(' ') != out.user.npos) {
        why =
            "memcached:// takes user and password together, without line breaks, and the user "
            "without spaces";
        return LETHE_ERR(errc::malformed);
    }
    for (std::size_t i = 0; i < out.hosts.size(); ++i)
        if (std::find(out.hosts.begin(), out.hosts.begin() + static_cast<std::ptrdiff_t>(i),
                      out.hosts[i]) != out.hosts.begin() + static_cast<std::ptrdiff_t>(i)) {
            why = "memcached:// names one host twice";
            return LETHE_ERR(errc::malformed);
        }
    return out;
}

result<engine_promises> judge(std::string_view url, std::string& why) {
    LETHE_TRY(const settings checked, parse(url, why));
    static_cast<void>(checked);
    return promises_made;
}

result<std::unique_ptr<engine>> open(std::string_view url, open_options options, std::string& why) {
    LETHE_TRY(settings how, parse(url, why));
    return std::unique_ptr<engine>(
        std::make_unique<memcached_engine>(std::move(how), std::move(options)));
}

}  // namespace

const engine_kind kind{
    .takes = [](std::string_view url) { return has_scheme(url, {"memcached"}); },
    .judge = judge,
    .open = open,
};

}  // namespace lethe::store::memcached
