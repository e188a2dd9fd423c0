#include "session/options.hpp"

#include "http/fields.hpp"

#include <algorithm>

namespace lethe::session {
namespace {

bool starts_with(std::string_view text, std::string_view prefix) {
    return text.substr(0, prefix.size()) == prefix;
}

template <class Value>
bool outside(const Value& value, const Value& least, const Value& most) {
    return value < least || most < value;
}

}  // namespace

std::optional<std::string> find_mistake(const settings& wanted) {
    using std::chrono::seconds;
    if (wanted.encryption == encryption_mode::keyring && wanted.keys.empty())
        return "encryption: keyring needs keys: make one with `lethe session key FILE`";
    if (wanted.mode == session_mode::sealed && wanted.keys.empty())
        return "mode: sealed needs keys: make one with `lethe session key FILE`";
    if (outside<std::chrono::milliseconds>(wanted.revocation_delay, std::chrono::milliseconds{0},
                                           std::chrono::hours{1}))
        return "revocation_delay must be 0 to 1 h";
    if (wanted.keys.size() > keys_max || wanted.retired_keys.size() > keys_max)
        return "keys and retired_keys have at most 16 entries each";
    if (!http::is_token(wanted.cookie_name) || wanted.cookie_name.size() > 64)
        return "cookie_name must be a token (RFC 9110) of at most 64 characters, such as "
               "__Host-lethe";
    const bool prefixed =
        starts_with(wanted.cookie_name, "__Host-") || starts_with(wanted.cookie_name, "__Secure-");
    if (prefixed && !wanted.cookie_secure)
        return "browsers refuse a cookie named " + wanted.cookie_name +
               " that is not secure: set cookie_secure to true, or choose a name without that "
               "prefix";
    if (outside<seconds>(wanted.absolute_ttl, seconds{10}, std::chrono::hours{24 * 400}))
        return "absolute_ttl must be 10 s to 400 days";
    if (outside<seconds>(wanted.idle_ttl, seconds{10}, wanted.absolute_ttl))
        return "idle_ttl must be 10 s to absolute_ttl";
    if (outside<std::size_t>(wanted.session_bytes_max, 256, std::size_t{256} * 1024))
        return "session_bytes_max must be 256 to 256 KiB";
    if (outside<std::size_t>(wanted.slots_max, 1, 256)) return "slots_max must be 1 to 256";
    if (outside<std::size_t>(wanted.patch_bytes_max, 256, 65536))
        return "patch_bytes_max must be 256 to 65536";
    if (outside<std::size_t>(wanted.operations_max, 1, 4096))
        return "operations_max must be 1 to 4096";
    if (outside<seconds>(wanted.operation_memory, seconds{60}, std::chrono::hours{24 * 400}))
        return "operation_memory must be 60 s to 400 days";
    if (outside<std::chrono::milliseconds>(wanted.store_timeout, std::chrono::milliseconds{10},
                                           seconds{60}))
        return "store_timeout must be 10 ms to 60 s";
    return std::nullopt;
}

std::optional<std::string> find_mistake(const route_options& wanted) {
    for (const auto* names : {&wanted.read, &wanted.write})
        if (std::any_of(names->begin(), names->end(),
                        [](const std::string& n) { return n.empty() || n.size() > 64; }))
            return "a slot's name must have 1 to 64 bytes";
    if (wanted.serialize && wanted.write.empty())
        return "serialize is only for routes that write a slot: readers never wait";
    if (wanted.when_store_down == store_down_rule::anonymous &&
        (!wanted.write.empty() || wanted.required))
        return "serving callers without their session while the store is away is only for routes "
               "that write no "
               "slot and require no session";
    return std::nullopt;
}

std::optional<std::string> find_mistake(const route_options& wanted, const settings& with) {
    const bool takes_writes =
        wanted.write.empty() || wanted.on_conflict == conflict_rule::last_writer_wins;
    if (with.mode == session_mode::sealed && !takes_writes)
        return "with sessions.mode: sealed the browser keeps the answer that came last, and of two "
               "changes at the same time one is lost: no place for carts and counters (use mode: "
               "stored). For slots that bear it say on_conflict: last_writer_wins";
    if (with.mode == session_mode::sealed && wanted.url == url_rule::always)
        return "a session in cookies (sessions.mode: sealed) has no URL";
    if (with.mode == session_mode::sealed && wanted.serialize)
        return "requests of a session in cookies (sessions.mode: sealed) have nowhere to queue";
    return std::nullopt;
}

}  // namespace lethe::session
