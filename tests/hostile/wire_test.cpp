// The corpus through a running gateway: in one piece, byte by byte, and cut in two where a seed
// says. tests/hostile/corpus_test.cpp cuts at every boundary, without sockets.
#include "hostile/all_lanes.hpp"
#include "hostile/gateways.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

namespace lethe::test::hostile {
namespace {

// LETHE_HOSTILE_SEED repeats a run's cuts.
std::uint32_t seed() {
    const char* const given = std::getenv("LETHE_HOSTILE_SEED");
    const std::uint32_t out = given != nullptr
                                  ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10))
                                  : std::random_device{}();
    std::printf("LETHE_HOSTILE_SEED=%u\n", out);
    return out;
}

struct sending {
    const hostile_case* one;
    std::string how;
    pieces bytes;
};

// All ways of sending of all cases.
std::vector<sending> all_sendings(const std::vector<hostile_case>& corpus, side which) {
    constexpr int cuts = 3;
    std::mt19937 random(seed());
    std::vector<sending> out;
    for (const hostile_case& one : corpus) {
        const std::string bytes = which == side::requests ? with_probe(one) : one.bytes;
        out.push_back({&one, "in one piece", in_one(bytes)});
        out.push_back({&one, "byte by byte", byte_by_byte(bytes)});
        for (int i = 0; i < cuts && bytes.size() > 1; ++i) {
            const std::size_t at = 1 + random() % (bytes.size() - 1);
            out.push_back({&one, "cut at " + std::to_string(at), split_at(bytes, at)});
        }
    }
    return out;
}

std::vector<int> expected_statuses(const hostile_case& one) {
    std::vector<int> out(expected_upstream(one).size(), 200);
    if (one.then == ending::refused) out.push_back(one.status);
    return out;
}

TEST(HostileWire, EveryRequestIsForwardedOrRefusedAsItSaysHoweverItIsSent) {
    const std::vector<hostile_case> corpus = read_corpus(side::requests);
    const std::vector<sending> all = all_sendings(corpus, side::requests);
    all_lanes lanes;
    lethe_gateway gateway(lanes.upstreams());
    std::vector<request_outcome> outcomes(all.size());
    lanes.run(all.size(), [&](lane& on, std::size_t index, std::size_t job) {
        outcomes[job] = on.send(gateway.at()[index], all[job].bytes, false);
    });
    for (std::size_t i = 0; i < all.size(); ++i) {
        const hostile_case& one = *all[i].one;
        const request_outcome& out = outcomes[i];
        SCOPED_TRACE(one.name + ", " + all[i].how + ": " + one.why + "\n  " + printable(one.bytes));
        EXPECT_FALSE(out.stuck);
        EXPECT_EQ(out.unreadable, "");
        EXPECT_EQ(out.forwarded, expected_upstream(one)) << "forwarded: " << to_text(out.forwarded);
        // A message without an end is answered as the client's end comes, or not at all.
        if (one.then != ending::more) EXPECT_EQ(out.statuses, expected_statuses(one));
    }
}

TEST(HostileWire, EveryAnswerIsForwardedOrRefusedAsItSaysHoweverItIsSent) {
    const std::vector<hostile_case> corpus = read_corpus(side::answers);
    const std::vector<sending> all = all_sendings(corpus, side::answers);
    all_lanes lanes;
    lethe_gateway gateway(lanes.upstreams());
    std::vector<answer_outcome> outcomes(all.size());
    lanes.run(all.size(), [&](lane& on, std::size_t index, std::size_t job) {
        outcomes[job] = on.answer(gateway.at()[index], *all[job].one, all[job].bytes, false);
    });
    for (std::size_t i = 0; i < all.size(); ++i) {
        const hostile_case& one = *all[i].one;
        const answer_outcome& out = outcomes[i];
        SCOPED_TRACE(one.name + ", " + all[i].how + ": " + one.why + "\n  " + printable(one.bytes));
        EXPECT_FALSE(out.stuck);
        EXPECT_FALSE(out.waited) << "the answer has an end, or breaks a rule before it";
        EXPECT_TRUE(out.probe_arrived) << "the next request's answer is another's";
        if (one.then == ending::cut) {
            EXPECT_NE(out.got.how, reading::whole);
            continue;
        }
        EXPECT_EQ(out.got.how, reading::whole);
        EXPECT_EQ(out.got.status, one.then == ending::refused ? 502 : one.status);
        if (one.then == ending::open) EXPECT_EQ(out.got.body, one.body);
        if (one.then == ending::refused) EXPECT_FALSE(out.reused);
    }
}

}  // namespace
}  // namespace lethe::test::hostile
