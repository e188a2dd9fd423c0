// Heads of HTTP/1.1 messages, written into one string that is sent whole. What is appended was
// checked before: names are tokens, values have no control bytes (the parser's, fields::add's
// caller's duty).
#pragma once

#include "base/clock.hpp"
#include "http/message.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace lethe::http {

// "HTTP/1.1 404 Not Found\r\n"
void append_status_line(std::string& out, int status);
// "GET /a?b HTTP/1.1\r\n"
void append_request_line(std::string& out, std::string_view method_text, std::string_view path,
                         std::string_view query, bool has_query);
void append_request_line(std::string& out, const request_head& head);
// "Name: value\r\n"
void append_field(std::string& out, std::string_view name, std::string_view value);
void append_field(std::string& out, std::string_view name, std::uint64_t value);
// Every line for which `keep(const field_line&)` holds.
template <class Keep>
void append_fields(std::string& out, const fields& header, Keep keep) {
    for (const field_line& line : header)
        if (keep(line)) append_field(out, line.name, line.value);
}
// "Content-Length: 5\r\n"
void append_content_length(std::string& out, std::uint64_t length);
// "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
void append_date(std::string& out, system_time now);
// The empty line that ends a head.
inline void append_head_end(std::string& out) {
    out += "\r\n";
}

void append_decimal(std::string& out, std::uint64_t value);

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7). The view is the calling thread's, valid
// until its next call: copy it at once. Within one second nothing is formatted anew.
[[nodiscard]] std::string_view http_date(system_time now);

}  // namespace lethe::http
