// Answers that are too large for their key's record, on the way into the store and out again.
#include "idempotency/blob.hpp"

#include "idempotency/test_filter.hpp"

#include <algorithm>

namespace lethe::idempotency::test {
namespace {

constexpr std::size_t piece_bytes = 100'000;

std::vector<std::string> pieces(int count) {
    std::vector<std::string> out;
    for (int i = 0; i < count; ++i) out.emplace_back(piece_bytes, static_cast<char>('a' + i % 26));
    return out;
}

class LargeAnswer : public Filter {
 protected:
    void answer_in_pieces(int count, bool breaks_off = false) {
        service_.make_body = [count, breaks_off] {
            return http::body_ptr(new piecewise_body(pieces(count), breaks_off));
        };
    }
    std::size_t kept_pieces() {
        return static_cast<std::size_t>(std::ranges::count_if(
            world_.records.by_key,
            [](const auto& one) { return one.first.starts_with(blob_prefix); }));
    }
};

TEST_F(LargeAnswer, IsReplayedFromPieces) {
    gateway& by = at();
    answer_in_pieces(25);
    const reply first = by.send({});
    EXPECT_EQ(first.body.size(), 25 * piece_bytes);
    EXPECT_EQ(kept_pieces(), 3U);
    for (const auto& [key, record] : world_.records.by_key)
        EXPECT_EQ(record.subject, "u1") << "so that it can be found and erased";
    expect_replayed(by.send({}), first);
    expect_replayed(at().send({}), first);
    EXPECT_EQ(service_.calls, 1);
}

// Each store step fails in turn, from the claim on: whatever is recorded is whole or said to be not
// there, and nothing runs twice.
TEST_F(LargeAnswer, IsWholeOrNotKeptWhereverTheStoreFails) {
    for (int step = 1; step < 8; ++step)
        for (const fault one : {fault::unavailable, fault::lost_before, fault::lost_after}) {
            world_.records.by_key.clear();
            service_ = {};
            gateway& by = at();
            answer_in_pieces(25);
            by.store.fail_at(step, one);
            const reply first = by.send({});
            by.store.heal();
            by.run();
            if (first.status != 201) continue;
            EXPECT_EQ(first.body.size(), 25 * piece_bytes);
            const reply again = by.send({});
            EXPECT_EQ(service_.calls, 1) << step;
            if (again.replayed)
                EXPECT_EQ(again.body, first.body) << step;
            else
                EXPECT_EQ(again.problem, "replay-unavailable") << step;
        }
}

TEST_F(LargeAnswer, AboveTheBoundLeavesNothingBehind) {
    route_options options;
    options.answer_bytes_max = 2'000'000;
    gateway& by = at(options);
    answer_in_pieces(25);
    EXPECT_EQ(by.send({}).body.size(), 25 * piece_bytes);
    EXPECT_EQ(kept_pieces(), 0U);
    expect_problem(by.send({}), 409, "replay-unavailable");
}

TEST_F(LargeAnswer, ThatBreaksOffLeavesNothingBehind) {
    gateway& by = at();
    answer_in_pieces(25, true);
    EXPECT_TRUE(by.send({}).body_broke_off);
    EXPECT_EQ(kept_pieces(), 0U);
    expect_problem(by.send({}), 409, "outcome-unknown");
}

TEST_F(LargeAnswer, WhosePiecesAreGoneIsSaidToBe) {
    gateway& by = at();
    answer_in_pieces(25);
    EXPECT_EQ(by.send({}).status, 201);
    std::erase_if(world_.records.by_key,
                  [](const auto& one) { return one.first.starts_with(blob_prefix); });
    expect_problem(by.send({}), 409, "replay-unavailable");
    EXPECT_EQ(service_.calls, 1);
}

TEST_F(LargeAnswer, WithAPieceMissingBreaksOff) {
    gateway& by = at();
    answer_in_pieces(25);
    EXPECT_EQ(by.send({}).status, 201);
    const auto last = std::ranges::find_if(
        world_.records.by_key, [](const auto& one) { return one.first.starts_with(blob_prefix); });
    world_.records.by_key.erase(std::next(last));
    const reply again = by.send({});
    EXPECT_TRUE(again.body_broke_off);
    EXPECT_LT(again.body.size(), 25 * piece_bytes);
}

TEST_F(LargeAnswer, IsNotReplayedWhileTheStoreIsAway) {
    gateway& by = at();
    answer_in_pieces(25);
    EXPECT_EQ(by.send({}).status, 201);
    by.store.fail_at(1, fault::unavailable, fault::unavailable);  // the claim, then the piece
    expect_problem(by.send({}), 503, "idempotency-store-unavailable");
    EXPECT_EQ(service_.calls, 1);
}

}  // namespace
}  // namespace lethe::idempotency::test
