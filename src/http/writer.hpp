// Heads of HTTP/1.1 messages, written into one text that is sent whole. What is appended was
// checked before: names are tokens, values have no control bytes (the parser's, fields::add's
// caller's duty).
#pragma once

#include "base/arena.hpp"
#include "base/clock.hpp"
#include "http/message.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace lethe::http {

// Where a head is written: in an exchange's memory, of which nothing else may be allocated before
// done(). Room is made once for each line, and nothing is cleared that is written next.
class head_text {
 public:
    explicit head_text(arena& memory)
        : memory_(memory),
          begin_(static_cast<char*>(memory.allocate(usual_bytes, 1))),
          at_(begin_),
          end_(begin_ + usual_bytes) {}
    head_text(const head_text&) = delete;
    head_text& operator=(const head_text&) = delete;

    // Whoever calls fills all of it.
    [[nodiscard]] char* append_room(std::size_t bytes) {
        if (static_cast<std::size_t>(end_ - at_) < bytes) grow(bytes);
        return std::exchange(at_, at_ + bytes);
    }
    head_text& operator+=(std::string_view text) {
        text.copy(append_room(text.size()), text.size());
        return *this;
    }
    head_text& operator+=(char one) {
        *append_room(1) = one;
        return *this;
    }
    // Lives as long as the memory. Nothing more may be appended.
    [[nodiscard]] std::string_view done() noexcept {
        memory_.trim(at_);
        return {begin_, static_cast<std::size_t>(at_ - begin_)};
    }

 private:
    static constexpr std::size_t usual_bytes = 1024;

    void grow(std::size_t bytes);

    arena& memory_;
    char* begin_;
    char* at_;
    char* end_;
};

// "HTTP/1.1 404 Not Found\r\n"
void append_status_line(head_text& out, int status);
// "GET /a?b HTTP/1.1\r\n"
void append_request_line(head_text& out, std::string_view method_text, std::string_view path,
                         std::string_view query, bool has_query);
void append_request_line(head_text& out, const request_head& head);
// "Name: value\r\n"
void append_field(head_text& out, std::string_view name, std::string_view value);
void append_field(head_text& out, std::string_view name, std::uint64_t value);
// Every line for which `keep(const field_line&)` holds.
template <class Keep>
void append_fields(head_text& out, const fields& header, Keep keep) {
    for (const field_line& line : header)
        if (keep(line)) append_field(out, line.name, line.value);
}
// "Content-Length: 5\r\n"
void append_content_length(head_text& out, std::uint64_t length);
// "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
void append_date(head_text& out, system_time now);
// The empty line that ends a head.
inline void append_head_end(head_text& out) {
    out += "\r\n";
}

void append_decimal(head_text& out, std::uint64_t value);

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7). The view is the calling thread's, valid
// until its next call: copy it at once. Within one second nothing is formatted anew.
[[nodiscard]] std::string_view http_date(system_time now);

}  // namespace lethe::http
