// Messages of name servers, byte by byte.
#include "net/dns_answer.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lethe::net {
namespace {

using namespace std::string_literals;

result<std::vector<dns_record>> parse(const std::string& bytes, dns_type type) {
    return parse_dns_answer({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()},
                            type);
}

// An answer of `count` records to a question about "a.b".
std::string message(int count, const std::string& records) {
    return "\x12\x34\x81\x80\0\x01\0"s + static_cast<char>(count) + "\0\0\0\0"s +
           "\x01"
           "a\x01"
           "b\0\0\x01\0\x01"s +
           records;
}
// "a.b IN <type>" and its data.
std::string record(char type, const std::string& data) {
    return "\xc0\x0c\0"s + type + "\0\x01\0\0\0\x3c\0"s + static_cast<char>(data.size()) + data;
}

TEST(DnsAnswer, AddressesAndServicesAreFoundAmongOthers) {
    const std::string all =
        message(4, record(5,
                          "\x01"
                          "c\xc0\x0e"s) +
                       record(1, "\x7f\0\0\x01"s) + record(28, std::string(15, '\0') + "\x01") +
                       record(33,
                              "\0\x0a\0\x05\x1f\x90\x01"
                              "c\xc0\x0e"s));
    EXPECT_EQ(*parse(all, dns_type::a), (std::vector<dns_record>{{.host = "127.0.0.1"}}));
    EXPECT_EQ(*parse(all, dns_type::aaaa), (std::vector<dns_record>{{.host = "::1"}}));
    EXPECT_EQ(
        *parse(all, dns_type::srv),
        (std::vector<dns_record>{{.host = "c.b", .priority = 10, .weight = 5, .port = 8080}}));
}

TEST(DnsAnswer, ATargetOfTheRootIsNone) {
    const std::string none = message(1, record(33, "\0\0\0\0\0\0\0"s));
    EXPECT_EQ(parse(none, dns_type::srv)->at(0).host, ".");
}

TEST(DnsAnswer, WhatEndsEarlyOrRunsInCirclesIsRefused) {
    const std::string whole = message(1, record(33,
                                                "\0\x0a\0\x05\x1f\x90\x01"
                                                "c\xc0\x0e"s));
    for (std::size_t end = 0; end < whole.size(); ++end)
        EXPECT_EQ(parse(whole.substr(0, end), dns_type::srv).error(), condition::malformed) << end;
    // A name that is itself.
    const std::string circle = message(1, record(33, "\0\x0a\0\x05\x1f\x90\xc0\x2b"s));
    EXPECT_EQ(parse(circle, dns_type::srv).error(), condition::malformed);
    EXPECT_EQ(parse(message(1, record(1, "\x7f\0\x01"s)), dns_type::a).error(),
              condition::malformed);
    EXPECT_EQ(parse(message(1, record(33, "\0\x0a\0\x05\x1f\x90"s)), dns_type::srv).error(),
              condition::malformed);
}

}  // namespace
}  // namespace lethe::net
