// Headers of the PROXY protocol: which are read, which are none.
#include "net/proxy_protocol.hpp"

#include "net/errors.hpp"

#include <gtest/gtest.h>

#include <array>

namespace lethe::net {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view v2 = "\r\n\r\n\0\r\nQUIT\n"sv;

std::string in_v2(std::string_view head, std::string_view rest) {
    return std::string(v2) + std::string(head) + static_cast<char>(rest.size() / 256) +
           static_cast<char>(rest.size() % 256) + std::string(rest);
}

// The address; "none" without a header.
std::string address_of(std::string_view bytes) {
    const auto found = parse_proxy_header(bytes);
    if (found.has_error()) {
        EXPECT_EQ(found.error(), errc::proxy_header_malformed);
        return "none";
    }
    if (!*found) return "more";
    EXPECT_LE((*found)->bytes, bytes.size());
    return (*found)->address;
}

TEST(ProxyHeader, Version1SaysWhoTheClientIs) {
    EXPECT_EQ(address_of("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nGET / "), "192.0.2.1");
    EXPECT_EQ(address_of("PROXY TCP6 2001:DB8:0::1 ::1 0 65535\r\n"), "2001:db8::1")
        << "in one form, as it is compared";
    EXPECT_EQ(address_of("PROXY UNKNOWN\r\n"), "");
    EXPECT_EQ(address_of("PROXY UNKNOWN ffff::1 whatever 1 2\r\n"), "");
    EXPECT_EQ((*parse_proxy_header("PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n"))->bytes, 15U);
}

TEST(ProxyHeader, Version2SaysWhoTheClientIs) {
    const std::string four("\xc0\0\2\1\xc0\0\2\2\xdc\4\1\xbb", 12);
    const std::string six(
        "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0\2", 36);
    EXPECT_EQ(address_of(in_v2("\x21\x11", four)), "192.0.2.1");
    EXPECT_EQ(address_of(in_v2("\x21\x21", six)), "2001:db8::1");
    EXPECT_EQ(address_of(in_v2("\x21\x11", four + std::string("\4\0\1x", 4))), "192.0.2.1")
        << "more than addresses";
    EXPECT_EQ(address_of(in_v2("\x20\x11"sv, four)), "") << "LOCAL: the proxy's own connection";
    EXPECT_EQ(address_of(in_v2("\x20\0"sv, "")), "");
    EXPECT_EQ(address_of(in_v2("\x21\0"sv, "")), "") << "of no family";
    EXPECT_EQ(address_of(in_v2("\x21\x31"sv, std::string(216, 'u'))), "") << "unix sockets";
    EXPECT_EQ(address_of(in_v2("\x21\x12"sv, four)), "") << "UDP";
}

TEST(ProxyHeader, WhatIsNoneIsRefused) {
    const std::string good = "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n";
    for (const std::string bad :
         {"GET / HTTP/1.1\r\n", "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY\tTCP4 1.1.1.1 ",
          "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
          "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
          "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
          "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n", "PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n",
          "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n",
          "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
          "PROXY \r\n", "\r\n\r\nGET"})
        EXPECT_EQ(address_of(bad), "none") << bad;
    EXPECT_EQ(address_of("PROXY UNKNOWN " + std::string(100, 'x') + "\r\n"), "none")
        << "longer than a line may be";
    const std::string four(12, '\1');
    EXPECT_EQ(address_of(in_v2("\x11\x11", four)), "none") << "version 1 in that form";
    EXPECT_EQ(address_of(in_v2("\x22\x11", four)), "none") << "a command that there is not";
    EXPECT_EQ(address_of(in_v2("\x21\x41", four)), "none");
    EXPECT_EQ(address_of(in_v2("\x21\x13", four)), "none");
    EXPECT_EQ(address_of(in_v2("\x21\x11", four.substr(1))), "none") << "no room for addresses";
    EXPECT_EQ(address_of(in_v2("\x21\x21", four)), "none");
    EXPECT_EQ(address_of(in_v2("\x21\x11", std::string(proxy_header_bytes_max, '\1'))), "none");
}

TEST(ProxyHeader, IsRecognisedWhereverItIsCut) {
    const std::string four(12, '\1');
    for (const std::string& whole :
         {std::string("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"), in_v2("\x21\x11", four)}) {
        for (std::size_t end = 0; end < whole.size(); ++end)
            EXPECT_EQ(address_of(whole.substr(0, end)), "more") << end;
        EXPECT_EQ((*parse_proxy_header(whole + "more"))->bytes, whole.size());
    }
}

}  // namespace
}  // namespace lethe::net
