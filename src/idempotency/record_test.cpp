#include "idempotency/record.hpp"

#include "base/random.hpp"

#include <gtest/gtest.h>

namespace lethe::idempotency {
namespace {

system_time at(std::int64_t millis) {
    return system_time{std::chrono::milliseconds{millis}};
}

key_record claimed() {
    key_record out;
    out.epoch = 7;
    out.nonce = std::string(nonce_bytes, 'n');
    out.execution = std::string(nonce_bytes, 'e');
    out.fingerprint = std::string(fingerprint_bytes, 'f');
    out.created = at(1'700'000'000'000);
    out.lease_until = at(1'700'000'030'000);
    out.expires = at(1'700'086'400'000);
    return out;
}

key_record done() {
    key_record out = claimed();
    out.state = record_state::done;
    out.result = outcome{201,
                         at(1'700'000'000'123),
                         "https://shop.example",
                         {{"Content-Type", "text/plain"}, {"X-A", ""}},
                         std::string("hello\0world", 11)};
    return out;
}

TEST(Record, ComesBackAsItWasWritten) {
    for (const record_state state :
         {record_state::claimed, record_state::unknown, record_state::released}) {
        key_record record = claimed();
        record.state = state;
        EXPECT_EQ(decode_record(encode_record(record)).value(), record);
    }
    key_record record = done();
    EXPECT_EQ(decode_record(encode_record(record)).value(), record);
    record.result->body.reset();
    EXPECT_EQ(decode_record(encode_record(record)).value(), record);
    record.result->body.emplace();
    EXPECT_EQ(decode_record(encode_record(record)).value(), record);
    record.result->body.reset();
    record.result->blob.emplace(std::string(nonce_bytes, 'b'), 5'000'000U);
    EXPECT_EQ(decode_record(encode_record(record)).value(), record);
}

TEST(Record, AnOutcomeOfAnEarlierEpochStandsInAClaimAndBehindIt) {
    for (const record_state state : {record_state::claimed, record_state::done}) {
        key_record record = done();
        record.state = state;
        record.made_at = 5;
        const std::string bytes = encode_record(record);
        EXPECT_EQ(decode_record(bytes).value(), record);
        EXPECT_EQ(record.outcome_epoch(), 5U);
        EXPECT_EQ(record.answers(at(1'700'000'029'999)), state == record_state::done);
        EXPECT_TRUE(record.answers(at(1'700'000'030'000)));
        for (const char epoch : {'\0', '\x07', '\x08'}) {  // none, its own, a later one
            std::string wrong = bytes;
            wrong[100] = epoch;
            EXPECT_TRUE(decode_record(wrong).has_error()) << int(epoch);
        }
    }
    EXPECT_EQ(done().outcome_epoch(), 7U);
    EXPECT_FALSE(claimed().answers(at(1'800'000'000'000)));
}

TEST(Record, EveryTruncationAndExtensionIsCorrupt) {
    const std::string whole = encode_record(done());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto got = decode_record(whole.substr(0, size));
        ASSERT_TRUE(got.has_error()) << size;
        EXPECT_TRUE(got.error() == condition::corrupt);
    }
    EXPECT_TRUE(decode_record(whole + '\0').has_error());
}

TEST(Record, ALaterVersionIsCorruptAndNotAbsent) {
    std::string bytes = encode_record(claimed());
    bytes[2] = 3;
    EXPECT_TRUE(decode_record(bytes).error() == condition::corrupt);
}

TEST(Record, ImpossibleValuesAreCorrupt) {
    const auto refuses = [](auto change) {
        key_record record = done();
        change(record);
        return decode_record(encode_record(record)).has_error();
    };
    EXPECT_TRUE(refuses([](auto& r) { r.result->status = 199; }));
    EXPECT_TRUE(refuses([](auto& r) { r.result->status = 600; }));
    EXPECT_TRUE(refuses([](auto& r) { r.epoch = epoch_max + 1; }));
    EXPECT_TRUE(refuses([](auto& r) { r.result->header[0].second = "a\r\nSet-Cookie: b"; }));
    EXPECT_TRUE(refuses([](auto& r) { r.result->header[0].first = "a b"; }));
    EXPECT_TRUE(refuses([](auto& r) { r.result->header[0].first = ""; }));
    EXPECT_TRUE(refuses([](auto& r) { r.result->origin = "a\nb"; }));
    EXPECT_TRUE(refuses([](auto& r) { r.expires = at(-1); }));
}

TEST(Record, AnyBytesDecodeToWhatEncodesToThemOrNotAtAll) {
    const auto random = make_seeded_random(20'261);
    const std::string whole = encode_record(done());
    for (int i = 0; i < 20'000; ++i) {
        std::string bytes = whole;
        for (std::uint64_t flips = 1 + random->below(3); flips > 0; --flips)
            bytes[random->below(bytes.size())] = static_cast<char>(random->below(256));
        const auto got = decode_record(bytes);
        if (got.has_value()) ASSERT_EQ(encode_record(*got), bytes) << "seed 20261, round " << i;
    }
}

}  // namespace
}  // namespace lethe::idempotency
