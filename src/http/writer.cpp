#include "http/writer.hpp"

#include <array>
#include <charconv>
#include <cstring>
#include <limits>

namespace lethe::http {
namespace {

void put_two_digits(char* to, unsigned value) {
    to[0] = static_cast<char>('0' + value / 10);
    to[1] = static_cast<char>('0' + value % 10);
}

constexpr std::string_view weekdays = "SunMonTueWedThuFriSat";
constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
using date_text = std::array<char, 29>;

void format_date(std::chrono::sys_seconds when, date_text& out) {
    const std::chrono::sys_days day = std::chrono::floor<std::chrono::days>(when);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(when - day);
    constexpr std::string_view form = "Sun, 06 Nov 1994 08:49:37 GMT";
    form.copy(out.data(), form.size());
    weekdays.copy(out.data(), 3, std::chrono::weekday(day).c_encoding() * 3);
    put_two_digits(out.data() + 5, static_cast<unsigned>(date.day()));
    months.copy(out.data() + 8, 3, (static_cast<unsigned>(date.month()) - 1) * 3);
    const auto year = static_cast<unsigned>(static_cast<int>(date.year())) % 10'000;
    put_two_digits(out.data() + 12, year / 100);
    put_two_digits(out.data() + 14, year % 100);
    put_two_digits(out.data() + 17, static_cast<unsigned>(time.hours().count()));
    put_two_digits(out.data() + 20, static_cast<unsigned>(time.minutes().count()));
    put_two_digits(out.data() + 23, static_cast<unsigned>(time.seconds().count()));
}

}  // namespace

void head_text::grow(std::size_t bytes) {
    const auto used = static_cast<std::size_t>(at_ - begin_);
    const std::size_t size = 2 * (used + bytes);
    char* const larger = static_cast<char*>(memory_.allocate(size, 1));
    std::memcpy(larger, begin_, used);
    begin_ = larger;
    at_ = larger + used;
    end_ = larger + size;
}

void append_decimal(head_text& out, std::uint64_t value) {
    std::array<char, 20> digits;
    const auto done = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    out += {digits.data(), static_cast<std::size_t>(done.ptr - digits.data())};
}

void append_status_line(head_text& out, int status) {
    if (status == 200) {
        out += "HTTP/1.1 200 OK\r\n";
        return;
    }
    LETHE_ASSERT(status >= 100 && status <= 999);
    out += "HTTP/1.1 ";
    append_decimal(out, static_cast<std::uint64_t>(status));
    out += ' ';  // stands also before an empty reason (RFC 9112 section 4)
    out += reason_phrase(status);
    out += "\r\n";
}

void append_request_line(head_text& out, std::string_view method_text, std::string_view path,
                         std::string_view query, bool has_query) {
    out += method_text;
    out += ' ';
    out += path;
    if (has_query) {
        out += '?';
        out += query;
    }
    out += " HTTP/1.1\r\n";
}

void append_request_line(head_text& out, const request_head& head) {
    append_request_line(out, head.method_text, head.path, head.query, head.has_query);
}

void append_field(head_text& out, std::string_view name, std::string_view value) {
    char* at = out.append_room(name.size() + value.size() + 4);
    at += name.copy(at, name.size());
    *at++ = ':';
    *at++ = ' ';
    at += value.copy(at, value.size());
    *at++ = '\r';
    *at = '\n';
}

void append_field(head_text& out, std::string_view name, std::uint64_t value) {
    std::array<char, 20> digits;
    const auto done = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    append_field(out, name, {digits.data(), static_cast<std::size_t>(done.ptr - digits.data())});
}

void append_content_length(head_text& out, std::uint64_t length) {
    append_field(out, "Content-Length", length);
}

void append_date(head_text& out, system_time now) {
    append_field(out, "Date", http_date(now));
}

std::string_view http_date(system_time now) {
    thread_local std::chrono::sys_seconds cached_for{
        std::chrono::seconds{std::numeric_limits<std::int64_t>::min()}};
    thread_local date_text cached;
    const auto second = std::chrono::floor<std::chrono::seconds>(now);
    if (second != cached_for) {
        format_date(second, cached);
        cached_for = second;
    }
    return {cached.data(), cached.size()};
}

}  // namespace lethe::http
