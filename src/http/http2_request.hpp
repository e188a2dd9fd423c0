// The head of a request as HTTP/2 brings it (RFC 9113 section 8.3), made into the head that all
// else knows. No I/O.
#pragma once

#include "http/parser.hpp"

#include <cstddef>
#include <string_view>

namespace lethe::http {

// One per stream. add() each field as it was decoded, then finish(). What cannot be served is
// remembered, and the rest is only counted: the client gets an answer that says so.
class http2_request {
 public:
    http2_request(const head_limits& limits, request_head& into) : limits_(limits), out_(into) {}

    // Both are copied. Names in lower case, as HTTP/2 has them.
    void add(std::string_view name, std::string_view value);
    // A field that is none: bytes that no field may have.
    void add_malformed() noexcept { fail(LETHE_ERR(errc::malformed)); }

    // How large all of it is, as SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113 section 6.5.2).
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

    // `has_body`: the head did not end the stream. Errors as parse_request_head, but that the
    // connection may go on: HTTP/2 tells itself where a message ends.
    [[nodiscard]] result<> finish(bool has_body, framing& how);

 private:
    void fail(const error_code& why) noexcept {
        if (!failed_) failed_ = why;
    }
    void add_pseudo(std::string_view name, std::string_view value);
    void add_field(std::string_view name, std::string_view value);
    void join_cookies();
    [[nodiscard]] result<> read_target();
    [[nodiscard]] result<> read_authority();

    const head_limits& limits_;
    request_head& out_;
    std::size_t bytes_ = 0;
    std::size_t fields_ = 0;
    std::size_t cookies_ = 0;
    std::size_t hosts_ = 0;
    std::size_t lengths_ = 0;
    std::string_view path_;
    std::string_view authority_;
    std::string_view scheme_;
    std::string_view host_;
    std::string_view length_;
    bool expects_continue_ = false;
    bool expects_other_ = false;
    error_code failed_;
};

}  // namespace lethe::http
