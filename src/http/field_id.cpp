#include "http/field_id.hpp"

#include "base/bytes.hpp"

#include <array>
#include <cstddef>

namespace lethe::http {
namespace {

struct known_field {
    std::string_view name;
    field_id id;
};

// Grouped by length: identify() looks only at names as long as the one it was given.
constexpr known_field known_fields[] = {
    {"te", field_id::te},
    {"age", field_id::age},
    {"via", field_id::via},
    {"date", field_id::date},
    {"dpop", field_id::dpop},
    {"host", field_id::host},
    {"cookie", field_id::cookie},
    {"expect", field_id::expect},
    {"origin", field_id::origin},
    {"server", field_id::server},
    {"alt-svc", field_id::alt_svc},
    {"trailer", field_id::trailer},
    {"upgrade", field_id::upgrade},
    {"location", field_id::location},
    {"forwarded", field_id::forwarded},
    {"connection", field_id::connection},
    {"keep-alive", field_id::keep_alive},
    {"set-cookie", field_id::set_cookie},
    {"tracestate", field_id::tracestate},
    {"user-agent", field_id::user_agent},
    {"retry-after", field_id::retry_after},
    {"client-cert", field_id::client_cert},
    {"traceparent", field_id::traceparent},
    {"content-type", field_id::content_type},
    {"x-request-id", field_id::x_request_id},
    {"authorization", field_id::authorization},
    {"cache-control", field_id::cache_control},
    {"content-length", field_id::content_length},
    {"idempotency-key", field_id::idempotency_key},
    {"x-forwarded-for", field_id::x_forwarded_for},
    {"proxy-connection", field_id::proxy_connection},
    {"www-authenticate", field_id::www_authenticate},
    {"x-forwarded-host", field_id::x_forwarded_host},
    {"transfer-encoding", field_id::transfer_encoding},
    {"client-cert-chain", field_id::client_cert_chain},
    {"x-forwarded-proto", field_id::x_forwarded_proto},
    {"proxy-authenticate", field_id::proxy_authenticate},
    {"proxy-authorization", field_id::proxy_authorization},
};

constexpr std::size_t longest = 19;

// first_of[n] is where the names of length n begin.
constexpr auto first_of = [] {
    std::array<std::uint8_t, longest + 2> out{};
    for (std::size_t length = 0; length < out.size(); ++length) {
        std::uint8_t at = 0;
        while (at < std::size(known_fields) && known_fields[at].name.size() < length) ++at;
        out[length] = at;
    }
    return out;
}();

}  // namespace

field_id identify(std::string_view name) noexcept {
    if (name.size() > 6 && name[5] == '-' && equal_ignoring_case(name.substr(0, 5), "lethe"))
        return field_id::lethe;
    if (name.size() > longest) return field_id::other;
    for (std::size_t i = first_of[name.size()]; i < first_of[name.size() + 1]; ++i)
        if (((name[0] ^ known_fields[i].name[0]) & ~0x20) == 0 &&
            equal_ignoring_case(name, known_fields[i].name))
            return known_fields[i].id;
    return field_id::other;
}

}  // namespace lethe::http
