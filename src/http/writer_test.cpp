// What is written, byte for byte.
#include "http/writer.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lethe::http {
namespace {

using namespace std::chrono_literals;

TEST(Writer, StatusLinesEndWithTheirReason) {
    arena memory;
    head_text out(memory);
    append_status_line(out, 200);
    append_status_line(out, 404);
    append_status_line(out, 299);
    EXPECT_EQ(out.done(), "HTTP/1.1 200 OK\r\nHTTP/1.1 404 Not Found\r\nHTTP/1.1 299 \r\n");
}

TEST(Writer, RequestLinesKeepAnEmptyQuery) {
    arena memory;
    head_text out(memory);
    append_request_line(out, "GET", "/a", "b=c", true);
    append_request_line(out, "PUT", "/a", "", true);
    append_request_line(out, "OPTIONS", "*", "", false);
    EXPECT_EQ(out.done(), "GET /a?b=c HTTP/1.1\r\nPUT /a? HTTP/1.1\r\nOPTIONS * HTTP/1.1\r\n");
}

TEST(Writer, FieldsAreWrittenAsTheyAre) {
    arena memory;
    fields header(memory);
    header.append_borrowed("A", "b");
    header.append_borrowed("Connection", "close");
    header.append_borrowed("Empty", "");
    head_text out(memory);
    append_fields(out, header, [](const field_line& line) { return !is_hop_by_hop(line.id); });
    append_content_length(out, UINT64_MAX);
    append_head_end(out);
    EXPECT_EQ(out.done(), "A: b\r\nEmpty: \r\nContent-Length: 18446744073709551615\r\n\r\n");
}

TEST(Writer, AHeadGrowsAndLeavesTheRestOfItsRoom) {
    arena memory;
    std::string expected;
    head_text out(memory);
    for (int i = 0; i < 200; ++i) {
        const std::string value(static_cast<std::size_t>(i) * 7, 'v');
        append_field(out, "Name", value);
        expected += "Name: " + value + "\r\n";
    }
    EXPECT_EQ(out.done(), expected);
    head_text next(memory);
    append_head_end(next);
    const std::string_view written = next.done();
    EXPECT_EQ(memory.copy("behind").data(), written.data() + written.size());
    EXPECT_EQ(written, "\r\n");
}

TEST(Writer, Rfc9110DatesAreFixedInLengthAndCachedBySecond) {
    const system_time example{784'111'777'000ms};
    EXPECT_EQ(http_date(example), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(http_date(example + 999ms), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(http_date(example + 1000ms), "Sun, 06 Nov 1994 08:49:38 GMT");
    EXPECT_EQ(http_date(system_time{0ms}), "Thu, 01 Jan 1970 00:00:00 GMT");
    EXPECT_EQ(http_date(system_time{-1ms}), "Wed, 31 Dec 1969 23:59:59 GMT");
    EXPECT_EQ(http_date(system_time{1'709'251'199'000ms}), "Thu, 29 Feb 2024 23:59:59 GMT");
    arena memory;
    head_text out(memory);
    append_date(out, example);
    EXPECT_EQ(out.done(), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
}

}  // namespace
}  // namespace lethe::http
