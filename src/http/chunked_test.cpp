// The chunked coding: what is read, what is refused, and that the cuts between reads change
// nothing.
#include "http/chunked.hpp"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace lethe::http {
namespace {

struct outcome {
    std::string data;
    std::size_t consumed = 0;
    bool done = false;
    bool failed = false;
    bool operator==(const outcome&) const = default;
};

void feed(chunked_decoder& decoder, std::string_view in, outcome& out) {
    while (!out.failed && !out.done && !in.empty()) {
        const result<chunked_decoder::step> step = decoder.decode(in);
        out.failed = step.has_error();
        if (out.failed) return;
        EXPECT_GT(step->consumed, 0U) << "a decoder must go on";
        EXPECT_TRUE(step->data.empty() || step->data.data() >= in.data()) << "data is part of in";
        out.data += step->data;
        out.consumed += step->consumed;
        out.done = step->done;
        in.remove_prefix(step->consumed);
    }
}

outcome decode_whole(std::string_view in) {
    chunked_decoder decoder;
    outcome out;
    feed(decoder, in, out);
    return out;
}

// Whole, cut in two at every place, and byte by byte: always the same.
outcome decode(std::string_view in) {
    const outcome whole = decode_whole(in);
    for (std::size_t cut = 0; cut <= in.size(); ++cut) {
        chunked_decoder decoder;
        outcome out;
        feed(decoder, in.substr(0, cut), out);
        feed(decoder, in.substr(cut), out);
        if (!whole.failed) EXPECT_EQ(out, whole) << "cut at " << cut;
        EXPECT_EQ(out.failed, whole.failed) << "cut at " << cut;
    }
    chunked_decoder decoder;
    outcome out;
    for (std::size_t i = 0; i < in.size(); ++i) feed(decoder, in.substr(i, 1), out);
    EXPECT_EQ(out.failed, whole.failed) << "byte by byte";
    if (!whole.failed) EXPECT_EQ(out, whole) << "byte by byte";
    return whole;
}

TEST(Chunked, ChunksAreJoinedAndTheRestIsLeft) {
    const outcome out = decode("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET /");
    EXPECT_EQ(out.data, "hello world");
    EXPECT_TRUE(out.done);
    EXPECT_EQ(out.consumed, std::string_view("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n").size());
}

TEST(Chunked, ABodyMayBeEmpty) {
    EXPECT_TRUE(decode("0\r\n\r\n").done);
    EXPECT_TRUE(decode("0000000000000000\r\n\r\n").done);
}

TEST(Chunked, SizesAreHexadecimalInEitherCase) {
    EXPECT_EQ(decode("1a\r\n" + std::string(26, 'x') + "\r\n0\r\n\r\n").data, std::string(26, 'x'));
    EXPECT_EQ(decode("1A\r\n" + std::string(26, 'x') + "\r\n0\r\n\r\n").data, std::string(26, 'x'));
    EXPECT_EQ(decode("000b\r\nhello world\r\n0\r\n\r\n").data, "hello world");
}

TEST(Chunked, DataMayHoldAnything) {
    const std::string data("\r\n0\r\n\r\n\0\xff", 9);
    EXPECT_EQ(decode("9\r\n" + data + "\r\n0\r\n\r\n").data, data);
}

TEST(Chunked, ExtensionsAreCheckedAndDropped) {
    for (const char* extension :
         {";a", ";a=b", ";a=\"b\"", ";a;b=c;d", " ;a", "\t; a = b", ";a=\"\\\"x\\\\\";b", ";a ;b",
          ";a=\"b\" ;c", ";a=\"\t\xc3\xa9\"", ";a=b ; c=\"\""})
        EXPECT_EQ(
            decode(std::string("5") + extension + "\r\nhello\r\n0" + extension + "\r\n\r\n").data,
            "hello")
            << extension;
}

TEST(Chunked, BrokenExtensionsAreRefused) {
    for (const std::string_view extension :
         {std::string_view(";"),           std::string_view(";;a"),
          std::string_view(";=b"),         std::string_view(";a="),
          std::string_view(";a=;b"),       std::string_view(";a=\"b"),
          std::string_view(";a=\"b\"c"),   std::string_view(";a b"),
          std::string_view(";\0a", 3),     std::string_view(";a\x01"),
          std::string_view(";a=\"\x7f\""), std::string_view(";a\n"),
          std::string_view(";a\rb"),       std::string_view(";a=\"\n\""),
          std::string_view(";a=\"\r\n\""), std::string_view(" "),
          std::string_view(";a "),         std::string_view(";a=b "),
          std::string_view(" a"),          std::string_view(",a")})
        EXPECT_TRUE(decode("5" + std::string(extension) + "\r\nhello\r\n0\r\n\r\n").failed)
            << extension;
}

TEST(Chunked, BrokenSizesAreRefused) {
    for (const char* body :
         {"\r\n", "g\r\n", "-1\r\n", "+5\r\nhello", "0x5\r\nhello", " 5\r\nhello", "5 \r\nhello",
          "1_0\r\n", "5\nhello", "5\rhello", "5\r\rhello", "\n5\r\nhello", "10000000000000000\r\n",
          "00000000000000000\r\n\r\n", "ffffffffffffffff0\r\n", ";a\r\n", "5\xc2\xa0\r\n",
          "\t5\r\n"})
        EXPECT_TRUE(decode(body).failed) << body;
    EXPECT_FALSE(decode("ffffffffffffffff\r\nx").failed) << "64 bits are a number";
}

TEST(Chunked, DataEndsWithCrLf) {
    for (const char* body :
         {"5\r\nhello0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r0\r\n\r\n",
          "5\r\nhello!\r\n0\r\n\r\n", "5\r\nhello\r\n\r\n0\r\n\r\n"})
        EXPECT_TRUE(decode(body).failed) << body;
}

TEST(Chunked, TrailersAreCheckedAndDropped) {
    EXPECT_TRUE(decode("0\r\nA: b\r\nContent-Length: 5\r\nEmpty:\r\n\r\n").done);
    for (const char* trailer :
         {"\n", "A\r\n\r\n", "A : b\r\n\r\n", ": b\r\n\r\n", " A: b\r\n\r\n", "A: b\n\r\n",
          "A: b\r\n c\r\n\r\n", "A: \x01\r\n\r\n", "A: b\rc\r\n\r\n", "\r\r\n", "A: b\r\n\rx"})
        EXPECT_TRUE(decode(std::string("0\r\n") + trailer).failed) << trailer;
}

TEST(Chunked, ExtensionsAndTrailersOfABodyAreBounded) {
    std::string many;
    while (many.size() < chunked_decoder::extension_bytes_max) many += "1;x=yyyyyyyyyy\r\nd\r\n";
    EXPECT_FALSE(decode_whole(many).failed);
    while (many.size() < 2 * chunked_decoder::extension_bytes_max)
        many += "1;x=yyyyyyyyyy\r\nd\r\n";
    EXPECT_TRUE(decode_whole(many).failed) << "small ones add up";
    EXPECT_TRUE(decode_whole("5;" + std::string(64 * 1024, 'a') + "\r\nhello").failed);

    std::string trailers = "0\r\n";
    while (trailers.size() < chunked_decoder::trailer_bytes_max) trailers += "Name: value\r\n";
    chunked_decoder decoder;
    EXPECT_EQ(decoder.decode(trailers + trailers.substr(3)).error(),
              make_error_code(errc::head_too_large));
}

TEST(Chunked, ADecoderCanBeUsedAgain) {
    chunked_decoder decoder;
    outcome out;
    feed(decoder, "1\r\na\r\n0\r\n\r\n", out);
    EXPECT_TRUE(out.done);
    EXPECT_TRUE(decoder.decode("more")->done);
    EXPECT_EQ(decoder.decode("more")->consumed, 0U);
    decoder.reset();
    outcome again;
    feed(decoder, "1\r\nb\r\n0\r\n\r\n", again);
    EXPECT_EQ(again.data, "b");
}

TEST(Chunked, WhatIsWrittenIsRead) {
    for (const std::size_t size : {std::size_t{1}, std::size_t{9}, std::size_t{15}, std::size_t{16},
                                   std::size_t{255}, std::size_t{256}, std::size_t{70'000}}) {
        std::array<char, 20> line{};
        const std::size_t length = write_chunk_size(line, size);
        std::string body(line.data(), length);
        body += std::string(size, 'x');
        body += chunk_end;
        body += last_chunk;
        EXPECT_EQ(decode_whole(body).data.size(), size);
        EXPECT_TRUE(decode_whole(body).done);
    }
    std::array<char, 20> line{};
    EXPECT_EQ(std::string(line.data(), write_chunk_size(line, 26)), "1a\r\n");
    EXPECT_EQ(std::string(line.data(), write_chunk_size(line, 0)), "0\r\n");
    EXPECT_EQ(std::string(line.data(), write_chunk_size(line, SIZE_MAX)), "ffffffffffffffff\r\n");
}

}  // namespace
}  // namespace lethe::http
