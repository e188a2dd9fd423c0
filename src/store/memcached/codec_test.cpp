// Bytes alone: the meta protocol, what is kept in items, and which host keeps it.
#include "base/bytes.hpp"
#include "store/memcached/item.hpp"
#include "store/memcached/meta.hpp"
#include "store/memcached/ring.hpp"
#include "store/memcached/server.hpp"
#include "store/memcached/store.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <set>
#include <utility>

namespace lethe::store::memcached {
namespace {

using namespace std::chrono_literals;

std::string text_of(requests what) {
    return what.take();
}

item_name name_of(std::string_view bytes) {
    const auto out = make_item_name(bytes);
    EXPECT_TRUE(out.has_value());
    return out.value_or(item_name{});
}

TEST(MetaRequest, AreWrittenAsTheProtocolSaysWithANumberEach) {
    requests what(41);
    what.get(name_of("plain"));
    what.get(name_of("a b"));
    what.set(name_of("k"), "\r\n\0x", {.mode = set_mode::add, .exptime = 30});
    what.set(name_of("k"), "", {.cas = 7, .exptime = 0});
    what.set(name_of("k"), "+", {.mode = set_mode::append});
    EXPECT_TRUE(what.conditional());
    what.erase(name_of("k"));
    what.erase(name_of("k"), 9);
    what.prolong(name_of("k"), 60);
    EXPECT_EQ(what.count(), 8U);
    EXPECT_EQ(text_of(std::move(what)),
              "mg plain v c t O41\r\n"
              "mg YSBi v c t b O42\r\n"
              "ms k 2 T30 ME O43\r\n\r\n\r\n"
              "ms k 0 T0 C7 O44\r\n\r\n"
              "ms k 1 T0 MA O45\r\n+\r\n"
              "md k O46\r\n"
              "md k C9 O47\r\n"
              "mg k T60 O48\r\n");
    EXPECT_EQ(login_request("me", "p w"), "set login 0 0 6\r\nme p w\r\n");
}

TEST(MetaRequest, NamesThatDoNotFitInALineAreBase64AndTooLongOnesNone) {
    EXPECT_FALSE(name_of(std::string(250, 'k')).base64);
    EXPECT_FALSE(make_item_name(std::string(251, 'k')).has_value());
    EXPECT_TRUE(name_of(std::string(186, '\xff')).base64);
    EXPECT_FALSE(make_item_name(std::string(187, '\xff')).has_value());
    EXPECT_FALSE(make_item_name("").has_value());
    for (const char c : {' ', '\r', '\n', '\0', '\x7f', '\x80'})
        EXPECT_TRUE(name_of(std::string("k") + c).base64);
}

// Cuts `bytes` as a connection would that brings them in two pieces: all replies, or the error.
result<std::vector<std::string>> cut_in_two(std::string_view bytes, std::size_t first,
                                            std::size_t greeting_replies) {
    const auto cutter = make_meta_cutter(greeting_replies);
    std::vector<std::string> out;
    std::size_t at = 0;
    for (const std::size_t arrived : {first, bytes.size()}) {
        while (at < arrived) {
            LETHE_TRY(const std::size_t size, cutter->cut(bytes.substr(at, arrived - at)));
            if (size == 0) break;
            out.emplace_back(bytes.substr(at, size));
            at += size;
        }
    }
    return out;
}

constexpr std::string_view stream =
    "MN\r\n"
    "STAT maxbytes 67108864\r\nSTAT x\r\nEND\r\n"
    "HD O1\r\n"
    "VA 5 c12 t-1 O2\r\na\r\nEN\r\n"
    "VA 0 c1 t30 O3\r\n\r\n"
    "EN O4\r\nEN\r\nNF O5\r\nNS O6\r\nEX O7\r\n"
    "SERVER_ERROR object too large for cache\r\n"
    "END\r\n"
    "STORED\r\n";

TEST(MetaReply, AreCutTheSameWhereverTheBytesAreSplit) {
    const auto whole = cut_in_two(stream, stream.size(), 0);
    ASSERT_TRUE(whole.has_value());
    EXPECT_EQ(whole->size(), 13U);
    std::string joined;
    for (const std::string& one : *whole) joined += one;
    EXPECT_EQ(joined, stream);
    for (std::size_t i = 0; i <= stream.size(); ++i) {
        const auto split = cut_in_two(stream, i, 0);
        ASSERT_TRUE(split.has_value()) << i;
        EXPECT_EQ(*split, *whole) << i;
    }
}

TEST(MetaReply, ByteByByteNothingIsCutBeforeItIsWhole) {
    const auto cutter = make_meta_cutter(0);
    const std::string_view one = "VA 5 c12 t-1 O2\r\na\r\nEN\r\n";
    for (std::size_t i = 1; i < one.size(); ++i) {
        const auto size = cutter->cut(one.substr(0, i));
        ASSERT_TRUE(size.has_value());
        EXPECT_EQ(*size, 0U) << i;
    }
    EXPECT_EQ(cutter->bytes_wanted(), one.size());
    EXPECT_EQ(*cutter->cut(one), one.size());
}

TEST(MetaReply, SayWhatTheServerSaid) {
    std::string_view rest = stream;
    const auto next = [&] {
        const result<reply> one = take_reply(rest);
        EXPECT_TRUE(one.has_value());
        return one.has_value() ? *one : reply{};
    };
    EXPECT_EQ(next().kind, reply_kind::noop);
    const reply list = next();
    EXPECT_EQ(list.kind, reply_kind::statistics);
    EXPECT_EQ(statistic(list.value, "maxbytes"), "67108864");
    EXPECT_EQ(statistic(list.value, "x"), "");
    EXPECT_EQ(statistic(list.value, "max"), std::nullopt);
    const reply done = next();
    EXPECT_EQ(done.kind, reply_kind::done);
    EXPECT_EQ(done.number, 1U);
    const reply value = next();
    EXPECT_EQ(value.kind, reply_kind::value);
    EXPECT_EQ(value.value, "a\r\nEN");
    EXPECT_EQ(value.cas, 12U);
    EXPECT_EQ(value.seconds, -1);
    EXPECT_EQ(value.number, 2U);
    EXPECT_EQ(next().value, "");
    EXPECT_EQ(next().kind, reply_kind::missing);
    EXPECT_EQ(next().number, std::nullopt);
    EXPECT_EQ(next().kind, reply_kind::missing);
    EXPECT_EQ(next().kind, reply_kind::not_stored);
    EXPECT_EQ(next().kind, reply_kind::exists);
    const reply refused = next();
    EXPECT_EQ(refused.kind, reply_kind::server_error);
    EXPECT_EQ(to_error(refused), condition::too_large);
    EXPECT_EQ(next().value, "");
    EXPECT_EQ(next().kind, reply_kind::stored);
    EXPECT_TRUE(rest.empty());
}

TEST(MetaReply, WhatIsNoneIsCorrupt) {
    for (const std::string_view bad :
         {"XX\r\n", "VA\r\n", "VA x\r\n", "VA -1\r\n", "VA 99999999999\r\n", "HD cx\r\n",
          "HD O\r\n", "VA 1 c1\r\nabc\r\n", "VALUE k 0 1\r\n", "\r\n", "HD"}) {
        std::string_view rest = bad;
        const result<reply> one = take_reply(rest);
        ASSERT_TRUE(one.has_error()) << bad;
        EXPECT_EQ(one.error(), condition::corrupt) << bad;
    }
    const auto cutter = make_meta_cutter(0);
    EXPECT_TRUE(cutter->cut(std::string(line_bytes_max + 2, 'x')).has_error());
    EXPECT_TRUE(make_meta_cutter(0)->cut("VA 99999999999 c1\r\n").has_error());
    std::string list;
    while (list.size() <= statistics_bytes_max) list += "STAT name value\r\n";
    EXPECT_TRUE(make_meta_cutter(0)->cut(list).has_error());
}

TEST(MetaReply, AServerThatDoesNotUnderstandEndsTheConnectionUnlessItGreets) {
    for (const std::string_view said : {"ERROR\r\n", "CLIENT_ERROR bad command line format\r\n"}) {
        EXPECT_TRUE(cut_in_two(said, said.size(), 0).has_error());
        const auto greeting = cut_in_two(said, said.size(), 1);
        ASSERT_TRUE(greeting.has_value());
        std::string_view rest = said;
        EXPECT_EQ(take_reply(rest)->kind, reply_kind::client_error);
        const std::string twice = std::string(said) + std::string(said);
        EXPECT_TRUE(cut_in_two(twice, twice.size(), 1).has_error());
    }
}

TEST(Item, ARecordIsReadAsItWasWritten) {
    const record_item small{.version = {0x0102030405060708U},
                            .expires = system_time{1'700'000'000'123ms},
                            .subject = "alice",
                            .key = "the whole key",
                            .value = std::string_view("v\0\xff", 3),
                            .total_bytes = 3};
    const std::string bytes = encode_record(small);
    EXPECT_EQ(bytes.size(), record_header_bytes(small) + 3);
    const auto read = decode_record(bytes);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->version, small.version);
    EXPECT_EQ(read->expires, small.expires);
    EXPECT_EQ(read->subject, "alice");
    EXPECT_EQ(read->key, "the whole key");
    EXPECT_EQ(read->value, small.value);
    EXPECT_EQ(read->pieces(), 0U);
    record_item large = small;
    large.value = {};
    large.total_bytes = 1001;
    large.piece_bytes = 500;
    const std::string manifest = encode_record(large);
    EXPECT_EQ(manifest.size(), record_header_bytes(large));
    const auto again = decode_record(manifest);
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->pieces(), 3U);
    EXPECT_EQ(again->total_bytes, 1001U);
}

TEST(Item, WhatLetheDidNotWriteIsCorrupt) {
    const std::string good = encode_record({.version = {1}, .subject = "s", .value = "value"});
    // All of the header but not the value, which may have any length.
    for (std::size_t i = 0; i < good.size() - 5; ++i)
        EXPECT_TRUE(decode_record(std::string_view(good).substr(0, i)).has_error()) << i;
    std::string other = good;
    other[1] = '\x02';
    EXPECT_TRUE(decode_record(other).has_error()) << "a format of a later lethe";
    std::string no_version = good;
    for (std::size_t i = 2; i < 10; ++i) no_version[i] = '\0';
    EXPECT_TRUE(decode_record(no_version).has_error());
    const std::string manifest =
        encode_record({.version = {1}, .total_bytes = 1000, .piece_bytes = 500});
    EXPECT_TRUE(decode_record(manifest + "x").has_error());
    EXPECT_TRUE(
        decode_record(encode_record({.version = {1}, .total_bytes = 500, .piece_bytes = 500}))
            .has_error());
    EXPECT_TRUE(
        decode_record(
            encode_record({.version = {1}, .total_bytes = value_bytes_max + 1, .piece_bytes = 500}))
            .has_error());
}

TEST(Item, ARecordIsSplitWhereTheServersLimitWantsIt) {
    const auto made = [](std::size_t value_bytes, std::size_t subject_bytes = 0) {
        static const std::string text(2000, 'x');
        return record_item{.version = {1},
                           .subject = std::string_view(text).substr(0, subject_bytes),
                           .value = std::string_view(text).substr(0, value_bytes),
                           .total_bytes = value_bytes};
    };
    record_item whole = made(1000 - 22);
    EXPECT_TRUE(split_for(whole, 1000));
    EXPECT_EQ(whole.pieces(), 0U);
    for (const std::size_t bytes : {std::size_t{1000 - 21}, std::size_t{1000}, std::size_t{2000}}) {
        record_item split = made(bytes);
        EXPECT_TRUE(split_for(split, 1000));
        EXPECT_GE(split.pieces(), 2U);
        EXPECT_LE(split.piece_bytes + piece_header_bytes, 1000U);
        EXPECT_GE(split.pieces() * split.piece_bytes, bytes);
        EXPECT_TRUE(decode_record(encode_record(split)).has_value());
    }
    record_item no_room = made(1, 500);
    EXPECT_FALSE(split_for(no_room, 500));
    record_item no_piece = made(100);
    EXPECT_FALSE(split_for(no_piece, piece_header_bytes));
    EXPECT_EQ(item_bytes_for("STAT item_size_max 131072\r\n"), 131072U - 384);
    EXPECT_EQ(item_bytes_for("STAT item_size_max 1048576\r\n"), item_bytes_for(""));
    EXPECT_EQ(item_bytes_for("STAT item_size_max 100\r\n"), 0U);
}

TEST(Item, APieceIsThatOfItsVersionAndPlaceOnly) {
    const std::string piece = encode_piece({7}, 2, "bytes");
    EXPECT_EQ(piece.size(), piece_header_bytes + 5);
    EXPECT_EQ(*decode_piece(piece, {7}, 2), "bytes");
    EXPECT_TRUE(decode_piece(piece, {8}, 2).has_error());
    EXPECT_TRUE(decode_piece(piece, {7}, 1).has_error());
    EXPECT_TRUE(decode_piece("", {7}, 1).has_error());
}

TEST(Item, AnIndexKeepsEntriesThatAreAppended) {
    std::string item = encode_index("alice");
    append_entry(item, {.key = "one", .until = system_time{5s}});
    append_entry(item, {.key = std::string_view("t\0o", 3), .until = system_time{6s}});
    const auto entries = decode_index(item, "alice");
    ASSERT_TRUE(entries.has_value());
    ASSERT_EQ(entries->size(), 2U);
    EXPECT_EQ((*entries)[1].key, std::string_view("t\0o", 3));
    EXPECT_EQ((*entries)[1].until, system_time{6s});
    EXPECT_TRUE(decode_index(item, "bob").has_error());
    EXPECT_TRUE(decode_index(item.substr(0, item.size() - 1), "alice").has_error());
    EXPECT_TRUE(decode_index("", "alice").has_error());
}

TEST(Item, NamesOfDifferentThingsAreDifferent) {
    const names mine("lethe");
    EXPECT_EQ(mine.record("s:1").name.text, "lethe:r:s:1");
    EXPECT_FALSE(mine.record("s:1").hashed);
    EXPECT_TRUE(mine.record("a b").name.base64);
    EXPECT_TRUE(mine.record(std::string(key_bytes_max, 'k')).hashed);
    EXPECT_TRUE(mine.record(std::string(200, '\xff')).hashed);
    std::set<std::string> seen;
    for (const std::string_view prefix : {"lethe", "lethe2"}) {
        const names some{std::string(prefix)};
        for (const std::string_view key : {"a", "b"}) {
            EXPECT_TRUE(seen.insert(some.record(key).name.text).second);
            EXPECT_TRUE(seen.insert(some.index(key, 0).text).second);
            EXPECT_TRUE(seen.insert(some.index(key, 1).text).second);
            EXPECT_TRUE(seen.insert(some.piece(key, {1}, 0).text).second);
            EXPECT_TRUE(seen.insert(some.piece(key, {1}, 1).text).second);
            EXPECT_TRUE(seen.insert(some.piece(key, {2}, 0).text).second);
        }
    }
}

TEST(Item, TheServersLifeOfAnItemIsNeverShorterThanItsRecords) {
    const system_time now{std::chrono::seconds{1'800'000'000}};
    EXPECT_EQ(exptime_of(1ms, now), 11);
    EXPECT_EQ(exptime_of(1000ms, now), 11);
    EXPECT_EQ(exptime_of(1001ms, now), 12);
    const std::int64_t month = 30 * 24 * 3600;
    EXPECT_EQ(exptime_of(std::chrono::seconds{month - 10}, now), month);
    EXPECT_EQ(exptime_of(std::chrono::seconds{month}, now), 1'800'000'000 + month + 10 + 24 * 3600)
        << "beyond 30 days Memcached takes a number for a moment";
    EXPECT_EQ(exptime_of(std::chrono::hours{24 * 365 * 20}, now), 0)
        << "and beyond 32 bits there is none";
    EXPECT_EQ(exptime_of(std::chrono::milliseconds::max(), now), 0);
}

TEST(Ring, DoesNotDependOnTheOrderOfTheHosts) {
    const std::array<std::string, 3> one = {"a:1", "b:1", "c:1"};
    const std::array<std::string, 3> other = {"c:1", "a:1", "b:1"};
    const ring first(one);
    const ring second(other);
    for (int i = 0; i < 1000; ++i) {
        const std::string key = "s:" + std::to_string(i);
        EXPECT_EQ(one[first.host_of(key)], other[second.host_of(key)]);
    }
}

TEST(Ring, SpreadsKeysAndMovesOnlyThoseOfAHostThatComes) {
    const std::array<std::string, 3> three = {"a:1", "b:1", "c:1"};
    const std::array<std::string, 4> four = {"a:1", "b:1", "c:1", "d:1"};
    const ring before(three);
    const ring after(four);
    constexpr int keys = 30'000;
    std::array<int, 3> share{};
    int moved = 0;
    for (int i = 0; i < keys; ++i) {
        const std::string key = "idempotency:" + std::to_string(i);
        ++share[before.host_of(key)];
        if (before.host_of(key) == after.host_of(key)) continue;
        EXPECT_EQ(after.host_of(key), 3U) << "no key moves between hosts that stay";
        ++moved;
    }
    for (const int one : share) EXPECT_NEAR(one, keys / 3.0, keys / 12.0);
    EXPECT_NEAR(moved, keys / 4.0, keys / 16.0);
}

TEST(Ring, AKeyNeverChangesItsShard) {
    EXPECT_EQ(shard_of("k"), stable_hash("k") % 64);
}

TEST(Examine, FindsWhatMakesMemcachedForget) {
    examination out{.server = "Memcached", .promises = promises_made, .findings = {}};
    const std::string general = "STAT version 1.6.18\r\nSTAT bytes 1048576\r\nSTAT evictions 3\r\n";
    const std::string settings =
        "STAT maxbytes 67108864\r\nSTAT evictions off\r\nSTAT item_size_max 1024\r\n";
    judge_statistics("a:1", general, settings, out);
    judge_statistics("b:1", "STAT version 1.6.18\r\n", "STAT item_size_max 1048576\r\n", out);
    EXPECT_EQ(out.server, "Memcached 1.6.18");
    ASSERT_EQ(out.findings.size(), 5U);
    EXPECT_EQ(out.findings[0].what, "a:1: uses 1 MiB of 64 MiB");
    EXPECT_EQ(out.findings[1].how_bad, finding::weight::fault);
    EXPECT_EQ(out.findings[2].how_bad, finding::weight::warning);
    EXPECT_EQ(out.findings[3].how_bad, finding::weight::warning);
    EXPECT_EQ(out.findings[4].how_bad, finding::weight::note);
}

}  // namespace
}  // namespace lethe::store::memcached
