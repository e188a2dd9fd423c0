// Heads of HTTP/1.x messages, read strictly (RFC 9112): whatever two readers could read differently
// is refused. docs/http.md lists each corner and what was decided. No I/O.
#pragma once

#include "base/error.hpp"
#include "http/errors.hpp"
#include "http/message.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lethe::http {

struct head_limits {
    std::size_t head_bytes_max = 16 * 1024;
    std::size_t fields_max = 100;
    std::size_t target_bytes_max = 8 * 1024;
};

// Finds the end of a head in a growing buffer without looking at any byte twice. One per
// connection.
class head_scanner {
 public:
    explicit head_scanner(std::size_t head_bytes_max) : head_bytes_max_(head_bytes_max) {}

    // `buffer` starts where the message starts and, from call to call, only grows at its end (it
    // may move). Answers the bytes of the complete head with its empty line, or nullopt while more
    // is needed. A few empty lines before the head are part of it (RFC 9112 section 2.2). A bare CR
    // or LF and a first byte that can start no message are refused as soon as they are seen:
    // errc::malformed. Longer than the limit: errc::head_too_large. After an error or a complete
    // head, reset() before the next scan.
    [[nodiscard]] result<std::optional<std::size_t>> scan(std::string_view buffer);
    void reset() noexcept;

 private:
    std::size_t head_bytes_max_;
    std::size_t line_start_ = 0;  // of the line under way
    std::size_t scanned_ = 0;     // bytes known to hold neither CR nor LF since line_start_
    std::size_t empty_lines_ = 0;
    bool head_started_ = false;
};

// How the message's body is delimited and what becomes of the connection.
struct framing {
    bool chunked = false;
    // Requests: nullopt without `chunked` means no body.
    std::optional<std::uint64_t> content_length;
    // What the peer allows; false also when the message makes the connection unfit for another one.
    bool keep_alive = true;
    // "Expect: 100-continue" on a request that has a body.
    bool expects_continue = false;
    // "Upgrade" together with "Connection: upgrade".
    bool wants_upgrade = false;
    // Responses: the body ends with the connection.
    bool until_close = false;
};

// `head` is what head_scanner found. Appends to out.header; views go into `head`, except for a path
// or authority that had to be changed to its normal form, which goes into the header's arena. On an
// error `out` is partly filled, for a log: the method and the target when they were read. Errors:
// malformed (400), head_too_large and too_many_fields (431), target_too_long (414),
// unsupported_transfer_coding and unsupported_method (501), unsupported_version (505),
// unsupported_expectation (417). After any of them the connection is to be closed: the end of the
// message is not known.
[[nodiscard]] result<> parse_request_head(std::string_view head, const head_limits& limits,
                                          request_head& out, framing& out_framing);

// `request_method` is what was asked: the answer to HEAD has no body. So have 1xx, 204 and 304:
// their framing says content_length 0 while their fields stay as they are. An interim answer (1xx)
// is answered like any other, and malformed when it announces a body; its caller reads on. Every
// error means that the upstream is not to be trusted with this connection any more (502).
[[nodiscard]] result<> parse_response_head(std::string_view head, const head_limits& limits,
                                           method request_method, response_head& out,
                                           framing& out_framing);

// Whether the name, with hyphens for underscores, is that of a field lethe knows: to a CGI program
// (WSGI, PHP, Rack) both are one, and "Lethe_Session" would pass for what only the gateway sets.
[[nodiscard]] bool imitates_known_field(std::string_view name) noexcept;
// A name of a method that lethe hands on: a token, not overlong.
[[nodiscard]] bool is_method(std::string_view text) noexcept;
// Digits only. No leading zero, which others read as octal; at most what fits a signed 64-bit
// number.
[[nodiscard]] std::optional<std::uint64_t> parse_content_length(std::string_view text) noexcept;

}  // namespace lethe::http
