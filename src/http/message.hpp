// The heads of HTTP messages.
#pragma once

#include "http/fields.hpp"

#include <cstdint>
#include <string_view>

namespace lethe::http {

enum class method : std::uint8_t {
    other,
    get,
    head,
    post,
    put,
    delete_,
    connect,
    options,
    trace,
    patch
};

[[nodiscard]] method parse_method(std::string_view text) noexcept;
// RFC 9110 section 9.2.1: GET, HEAD, OPTIONS, TRACE.
[[nodiscard]] constexpr bool is_safe(method m) noexcept {
    return m == method::get || m == method::head || m == method::options || m == method::trace;
}
// RFC 9110 section 9.2.2: the safe ones, PUT and DELETE.
[[nodiscard]] constexpr bool is_idempotent(method m) noexcept {
    return is_safe(m) || m == method::put || m == method::delete_;
}

// Views live as long as the exchange.
struct request_head {
    explicit request_head(arena& memory) : header(memory) {}

    http::method method = http::method::other;
    std::string_view method_text;  // as sent: "GET"
    // In origin form, normalised: this form decides route and authentication and goes upstream.
    std::string_view path;       // "/a/b", never empty ("*" for OPTIONS *)
    std::string_view query;      // without '?'; see has_query
    bool has_query = false;      // tells "/a?" from "/a"
    std::string_view authority;  // host[:port] of Host or of the absolute form
    int version_major = 1;
    int version_minor = 1;
    fields header;
};

struct response_head {
    explicit response_head(arena& memory) : header(memory) {}

    int status = 0;
    fields header;
};

// "Not Found"; "" for a status without a registered phrase.
[[nodiscard]] std::string_view reason_phrase(int status) noexcept;

}  // namespace lethe::http
