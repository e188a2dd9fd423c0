// Bodies that go to a temporary file: what is read is what was sent, room is given back.
#include "http/spool.hpp"

#include "base/bytes.hpp"
#include "http/errors.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>

namespace lethe::http {
namespace {

using lethe::test::run;

std::string bytes(std::size_t size) {
    std::string out(size, '\0');
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 31 + i / 977);
    return out;
}

TEST(Spool, WhatIsReadIsWhatWasSentAgainAndAgain) {
    spool at{{}};
    const std::string begun = bytes(100'000);
    const std::string rest = bytes(3'000'000);
    {
        result<spooled> kept = run(at.take(begun, make_owned_body(rest)));
        ASSERT_TRUE(kept.has_value());
        EXPECT_EQ(at.bytes(), begun.size() + rest.size());
        EXPECT_EQ(kept->digest, sha256(begun + rest));
        EXPECT_EQ(kept->body->length(), begun.size() + rest.size());
        for (int i = 0; i < 2; ++i) {
            const result<std::string> read = run(read_whole(kept->body.get(), 1 << 30));
            ASSERT_TRUE(read.has_value());
            EXPECT_TRUE(*read == begun + rest);
            EXPECT_TRUE(kept->body->rewind());
        }
    }
    EXPECT_EQ(at.bytes(), 0U);
}

TEST(Spool, ThereIsNoMoreRoomThanWasSaid) {
    spool at({.directory = {}, .bytes_max = 1'000'000});
    {
        const result<spooled> first = run(at.take({}, make_owned_body(bytes(600'000))));
        ASSERT_TRUE(first.has_value());
        const result<spooled> second = run(at.take({}, make_owned_body(bytes(600'000))));
        EXPECT_EQ(second.error(), make_error_code(errc::no_room));
        EXPECT_EQ(at.bytes(), 600'000U);
    }
    EXPECT_TRUE(run(at.take({}, make_owned_body(bytes(600'000)))).has_value());
}

TEST(Spool, ADirectoryThatIsNotThereIsNoRoom) {
    spool at({.directory = "/nowhere/at/all"});
    EXPECT_EQ(run(at.take("x", make_owned_body("y"))).error(), make_error_code(errc::no_room));
    EXPECT_EQ(at.bytes(), 0U);
}

}  // namespace
}  // namespace lethe::http
