#include "upstream/forward.hpp"

#include "base/bytes.hpp"
#include "http/cookies.hpp"
#include "http/writer.hpp"

#include <algorithm>
#include <array>

namespace lethe::upstream {
namespace {

using http::field_id;
using http::field_line;

// Fields that are written anew below, or that end here.
bool is_rebuilt(field_id id) {
    switch (id) {
        case field_id::content_length:
        case field_id::expect:
        case field_id::forwarded:
        case field_id::host:
        case field_id::via:
        case field_id::x_forwarded_for:
        case field_id::x_forwarded_host:
        case field_id::x_forwarded_proto: return true;
        default: return http::is_hop_by_hop(id);
    }
}

// "name: earlier, own"; earlier values come from a trusted proxy, or were taken away before.
void append_extended(http::head_text& out, std::string_view name, const http::fields& header,
                     field_id id, std::string_view own) {
    if (!header.first(id)) {
        http::append_field(out, name, own);
        return;
    }
    out += name;
    out += ": ";
    for (const field_line& line : header)
        if (line.id == id && !line.value.empty()) {
            out += line.value;
            out += ", ";
        }
    out += own;
    out += "\r\n";
}

// RFC 7239 section 6: an IPv6 address is quoted and in brackets, a peer without an address unknown.
void append_forwarded(http::head_text& out, const http::exchange& x) {
    out += "Forwarded: ";
    for (const field_line& line : x.request.header)
        if (line.id == field_id::forwarded && !line.value.empty()) {
            out += line.value;
            out += ", ";
        }
    const bool is_path = x.remote_address == "unix:";
    const bool is_v6 = !is_path && x.remote_address.find(':') != std::string_view::npos;
    out += is_v6 ? "for=\"[" : "for=";
    out += is_path ? "unknown" : x.remote_address;
    if (is_v6) out += "]\"";
    out += x.secure ? ";proto=https" : ";proto=http";
    if (!x.request.authority.empty()) {
        out += ";host=\"";
        out += x.request.authority;
        out += '"';
    }
    out += "\r\n";
}

void append_framing(http::head_text& out, const http::exchange& x) {
    if (x.request_body) {
        if (const auto length = x.request_body->length())
            http::append_content_length(out, *length);
        else
            http::append_field(out, "Transfer-Encoding", "chunked");
        return;
    }
    // RFC 9110 section 8.6: a method that anticipates content says so when there is none.
    using enum http::method;
    if (x.request.method == post || x.request.method == put || x.request.method == patch)
        http::append_content_length(out, 0);
}

void append_other_cookies(http::head_text& out, const http::fields& header, std::string_view own) {
    const std::string kept =
        http::cookies_without(header, [own](std::string_view cookie) { return cookie == own; });
    if (!kept.empty()) http::append_field(out, "Cookie", kept);
}

bool backend_may_say(std::string_view name) {
    static constexpr std::array<std::string_view, 6> allowed = {
        "lethe-session-patch",   "lethe-session-if",  "lethe-session-op",
        "lethe-session-version", "lethe-idempotency", "lethe-original-status"};
    return std::any_of(allowed.begin(), allowed.end(),
                       [name](std::string_view one) { return equal_ignoring_case(one, name); });
}

}  // namespace

void write_request_head(http::head_text& out, const http::exchange& x,
                        std::string_view own_cookie) {
    const http::fields& header = x.request.header;
    http::append_request_line(out, x.request);
    http::append_field(out, "Host", x.request.authority);
    http::append_fields(out, header, [own_cookie](const field_line& line) {
        return !is_rebuilt(line.id) && (own_cookie.empty() || line.id != field_id::cookie);
    });
    if (!own_cookie.empty()) append_other_cookies(out, header, own_cookie);
    append_extended(out, "Via", header, field_id::via,
                    x.request.version_major == 2   ? "2 lethe"
                    : x.request.version_minor == 0 ? "1.0 lethe"
                                                   : "1.1 lethe");
    append_extended(out, "X-Forwarded-For", header, field_id::x_forwarded_for, x.remote_address);
    http::append_field(
        out, "X-Forwarded-Proto",
        header.first(field_id::x_forwarded_proto).value_or(x.secure ? "https" : "http"));
    http::append_field(out, "X-Forwarded-Host",
                       header.first(field_id::x_forwarded_host).value_or(x.request.authority));
    append_forwarded(out, x);
    if (x.attempt != 0) http::append_field(out, "Lethe-Attempt", x.attempt);
    append_framing(out, x);
    http::append_head_end(out);
}

void clean_answer(http::response_head& answer, bool keep_content_length) {
    http::drop_fields_named_by_connection(answer.header);
    answer.header.remove_if([keep_content_length](const field_line& line) {
        if (http::is_hop_by_hop(line.id) && line.id != field_id::proxy_authenticate) return true;
        if (line.id == field_id::content_length) return !keep_content_length;
        return line.id == field_id::lethe && !backend_may_say(line.name);
    });
}

}  // namespace lethe::upstream
