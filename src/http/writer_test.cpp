// What is written, byte for byte.
#include "http/writer.hpp"

#include <gtest/gtest.h>

namespace lethe::http {
namespace {

using namespace std::chrono_literals;

TEST(Writer, StatusLinesEndWithTheirReason) {
    std::string out;
    append_status_line(out, 200);
    append_status_line(out, 404);
    append_status_line(out, 299);
    EXPECT_EQ(out, "HTTP/1.1 200 OK\r\nHTTP/1.1 404 Not Found\r\nHTTP/1.1 299 \r\n");
}

TEST(Writer, RequestLinesKeepAnEmptyQuery) {
    std::string out;
    append_request_line(out, "GET", "/a", "b=c", true);
    append_request_line(out, "PUT", "/a", "", true);
    append_request_line(out, "OPTIONS", "*", "", false);
    EXPECT_EQ(out, "GET /a?b=c HTTP/1.1\r\nPUT /a? HTTP/1.1\r\nOPTIONS * HTTP/1.1\r\n");
}

TEST(Writer, FieldsAreWrittenAsTheyAre) {
    arena memory;
    fields header(memory);
    header.append_borrowed("A", "b");
    header.append_borrowed("Connection", "close");
    header.append_borrowed("Empty", "");
    std::string out;
    append_fields(out, header, [](const field_line& line) { return !is_hop_by_hop(line.id); });
    append_content_length(out, UINT64_MAX);
    append_head_end(out);
    EXPECT_EQ(out, "A: b\r\nEmpty: \r\nContent-Length: 18446744073709551615\r\n\r\n");
}

TEST(Writer, Rfc9110DatesAreFixedInLengthAndCachedBySecond) {
    const system_time example{784'111'777'000ms};
    EXPECT_EQ(http_date(example), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(http_date(example + 999ms), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(http_date(example + 1000ms), "Sun, 06 Nov 1994 08:49:38 GMT");
    EXPECT_EQ(http_date(system_time{0ms}), "Thu, 01 Jan 1970 00:00:00 GMT");
    EXPECT_EQ(http_date(system_time{-1ms}), "Wed, 31 Dec 1969 23:59:59 GMT");
    EXPECT_EQ(http_date(system_time{1'709'251'199'000ms}), "Thu, 29 Feb 2024 23:59:59 GMT");
    std::string out;
    append_date(out, example);
    EXPECT_EQ(out, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
}

}  // namespace
}  // namespace lethe::http
