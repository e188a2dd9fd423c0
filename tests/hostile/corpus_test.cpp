// The corpus against lethe's parser, cut at every boundary, and against an independent reader.
#include "hostile/corpus.hpp"

#include "hostile/parser_model.hpp"
#include "hostile/strict_reader.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace lethe::test::hostile {
namespace {

// Where a case that is long is cut: everywhere near its ends, at some places between.
std::vector<std::size_t> cuts_of(std::size_t size) {
    std::vector<std::size_t> out;
    const std::size_t stride = size > 1500 ? size / 100 : 1;
    for (std::size_t at = 0; at <= size; at += at < 200 || at + 200 > size ? 1 : stride)
        out.push_back(at);
    return out;
}

parsed_requests expected_parse(const hostile_case& one) {
    parsed_requests out{one.forwarded, ending::more, 0};
    if (one.then == ending::closed) out.then = ending::closed;
    // That is the server's decision, by a limit of its own.
    const bool too_large = one.status == 413;
    if (one.then == ending::refused && !too_large) {
        out.then = ending::refused;
        out.status = one.status;
    }
    if (one.then == ending::open) out.whole.push_back({"GET", std::string(probe_target), ""});
    return out;
}

std::string describe(const parsed_requests& what) {
    return to_text(what.whole) + "; ends as " + std::to_string(static_cast<int>(what.then)) + " " +
           std::to_string(what.status);
}

TEST(HostileCorpus, HasSeveralHundredRequestsAndAnswers) {
    EXPECT_GE(read_corpus(side::requests).size(), 250U);
    EXPECT_GE(read_corpus(side::answers).size(), 100U);
}

TEST(HostileCorpus, EveryRequestIsReadAsItSaysHoweverItIsCut) {
    for (const hostile_case& one : read_corpus(side::requests)) {
        SCOPED_TRACE(one.name + ": " + one.why + "\n  " + printable(one.bytes));
        const std::string bytes = with_probe(one);
        const parsed_requests expected = expected_parse(one);
        const parsed_requests whole = parse_requests(in_one(bytes));
        EXPECT_EQ(whole, expected)
            << "read: " << describe(whole) << "\nexpected: " << describe(expected);
        EXPECT_EQ(parse_requests(byte_by_byte(bytes)), whole) << "byte by byte";
        for (const std::size_t at : cuts_of(bytes.size()))
            EXPECT_EQ(parse_requests(split_at(bytes, at)), whole) << "cut at " << at;
    }
}

// By RFC 9112, as a reader that shares no code with lethe has it.
TEST(HostileCorpus, WhatIsForwardedIsWhatAnIndependentReaderSees) {
    for (const hostile_case& one : read_corpus(side::requests)) {
        SCOPED_TRACE(one.name + ": " + one.why + "\n  " + printable(one.bytes));
        std::vector<message> read = read_all_requests(with_probe(one));
        const std::vector<message> expected = expected_upstream(one);
        ASSERT_GE(read.size(), expected.size()) << "read: " << to_text(read);
        // lethe may refuse what follows; it must not see an end where there is none.
        read.resize(expected.size());
        for (std::size_t i = 0; i < expected.size(); ++i) {
            EXPECT_EQ(read[i].method, expected[i].method);
            EXPECT_EQ(read[i].body, expected[i].body);
        }
    }
}

TEST(HostileCorpus, EveryAnswerIsReadAsItSaysHoweverItIsCut) {
    for (const hostile_case& one : read_corpus(side::answers)) {
        SCOPED_TRACE(one.name + ": " + one.why + "\n  " + printable(one.bytes));
        const parsed_answer whole = parse_answer(in_one(one.bytes), one.method, one.ends);
        EXPECT_EQ(whole.then, one.then);
        if (one.then == ending::open) {
            EXPECT_EQ(whole.status, one.status);
            EXPECT_EQ(whole.body, one.body);
        }
        EXPECT_EQ(parse_answer(byte_by_byte(one.bytes), one.method, one.ends), whole);
        for (const std::size_t at : cuts_of(one.bytes.size()))
            EXPECT_EQ(parse_answer(split_at(one.bytes, at), one.method, one.ends), whole)
                << "cut at " << at;
    }
}

}  // namespace
}  // namespace lethe::test::hostile
