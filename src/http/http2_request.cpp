#include "http/http2_request.hpp"

#include "base/bytes.hpp"
#include "http/target.hpp"

#include <algorithm>
#include <optional>

namespace lethe::http {
namespace {

constexpr std::size_t bytes_beside_field = 32;

}  // namespace

void http2_request::add(std::string_view name, std::string_view value) {
    bytes_ += name.size() + value.size() + bytes_beside_field;
    if (bytes_ > limits_.head_bytes_max) fail(LETHE_ERR(errc::head_too_large));
    if (failed_) return;
    if (name.starts_with(':'))
        add_pseudo(name, value);
    else
        add_field(name, value);
}

void http2_request::add_pseudo(std::string_view name, std::string_view value) {
    const std::string_view kept = out_.header.memory().copy(value);
    std::string_view* place = nullptr;
    if (name == ":method")
        place = &out_.method_text;
    else if (name == ":path")
        place = &path_;
    else if (name == ":authority")
        place = &authority_;
    else if (name == ":scheme")
        place = &scheme_;
    if (place == nullptr || !place->empty() || out_.header.size() != 0)
        return fail(LETHE_ERR(errc::malformed));
    *place = kept;
}

void http2_request::add_field(std::string_view name, std::string_view value) {
    if (++fields_ > limits_.fields_max) return fail(LETHE_ERR(errc::too_many_fields));
    if (!is_token(name) || !is_field_value(value) || imitates_known_field(name))
        return fail(LETHE_ERR(errc::malformed));
    out_.header.add(name, value);
    const field_line& line = *(out_.header.end() - 1);
    switch (line.id) {
        case field_id::host:
            ++hosts_;
            host_ = line.value;
            break;
        case field_id::content_length:
            ++lengths_;
            length_ = line.value;
            break;
        case field_id::cookie: ++cookies_; break;
        case field_id::expect:
            if (equal_ignoring_case(line.value, "100-continue"))
                expects_continue_ = true;
            else
                expects_other_ = true;
            break;
        case field_id::te:
            // RFC 9113 section 8.2.2.
            if (!equal_ignoring_case(line.value, "trailers")) fail(LETHE_ERR(errc::malformed));
            break;
        case field_id::connection:
        case field_id::keep_alive:
        case field_id::proxy_connection:
        case field_id::transfer_encoding:
        case field_id::upgrade: fail(LETHE_ERR(errc::malformed)); break;
        default: break;
    }
}

// Cookies may come in crumbs, which are one field to everybody behind (RFC 9113 section 8.2.3).
void http2_request::join_cookies() {
    if (cookies_ < 2) return;
    std::string joined;
    for (const field_line& line : out_.header) {
        if (line.id != field_id::cookie) continue;
        if (!joined.empty()) joined += "; ";
        joined += line.value;
    }
    out_.header.remove(field_id::cookie);
    out_.header.add("cookie", joined);
}

result<> http2_request::read_target() {
    out_.method = parse_method(out_.method_text);
    if (!is_method(out_.method_text)) return LETHE_ERR(errc::malformed);
    if (out_.method == method::connect || out_.method == method::trace)
        return LETHE_ERR(errc::unsupported_method);
    if (scheme_ != "https" && scheme_ != "http") return LETHE_ERR(errc::malformed);
    if (path_.size() > limits_.target_bytes_max) return LETHE_ERR(errc::target_too_long);
    // Only the origin form and "*": the authority has a field of its own.
    if (!path_.starts_with('/') && path_ != "*") return LETHE_ERR(errc::malformed);
    LETHE_TRY(const target where, parse_target(path_, out_.method, out_.header.memory()));
    out_.path = where.path;
    out_.query = where.query;
    out_.has_query = where.has_query;
    return {};
}

// RFC 9113 section 8.3.1. Both given must name the same place, as with HTTP/1.1's absolute form.
result<> http2_request::read_authority() {
    const std::string_view named = authority_.empty() ? host_ : authority_;
    if (hosts_ > 1 || !is_authority(named)) return LETHE_ERR(errc::malformed);
    const std::uint16_t default_port = scheme_ == "https" ? 443 : 80;
    if (!authority_.empty() && hosts_ == 1 && !same_authority(host_, authority_, default_port))
        return LETHE_ERR(errc::malformed);
    out_.authority = normalise_authority(named, out_.header.memory());
    return {};
}

result<> http2_request::finish(bool has_body, framing& how) {
    how = {};
    out_.version_major = 2;
    out_.version_minor = 0;
    if (failed_) return failed_;
    LETHE_TRY_VOID(read_target());
    LETHE_TRY_VOID(read_authority());
    if (expects_other_) return LETHE_ERR(errc::unsupported_expectation);
    if (lengths_ > 1) return LETHE_ERR(errc::malformed);
    if (lengths_ == 1) {
        how.content_length = parse_content_length(length_);
        if (!how.content_length) return LETHE_ERR(errc::malformed);
    }
    if (!has_body) {
        if (how.content_length.value_or(0) != 0) return LETHE_ERR(errc::malformed);
        how.content_length = 0;
    }
    how.chunked = !how.content_length;
    how.expects_continue = expects_continue_ && has_body;
    join_cookies();
    return {};
}

}  // namespace lethe::http
