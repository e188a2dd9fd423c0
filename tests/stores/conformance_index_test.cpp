// The contract, asked of every engine: the index of a subject's records, scanning and purging.
#include "stores/conformance.hpp"

#include <algorithm>
#include <set>

namespace lethe::store {
namespace {

using namespace std::chrono_literals;

class SubjectIndex : public Conformance {};
INSTANTIATE_TEST_SUITE_P(Stores, SubjectIndex, ::testing::ValuesIn(names_of(any_set_up)), name_of);

TEST_P(SubjectIndex, TenThousandKeysAreListedInPagesByPrefix) {
    const std::string alice = own("alice");
    const std::string sessions = own("s:");
    std::set<std::string> expected;
    std::set<std::string> expected_sessions;
    std::vector<operation> many;
    for (int i = 0; i < 10'000; ++i) {
        std::string key = (i % 2 == 0 ? sessions : own("i:")) + std::to_string(i);
        expected.insert(key);
        if (i % 2 == 0) expected_sessions.insert(key);
        many.push_back(put{std::move(key), "v", 1h, anything{}, alice});
        if (many.size() == operations_max || i == 9'999)
            for (const answer& one : ask_all(std::exchange(many, {}))) ASSERT_TRUE(one.done);
    }
    write(own("s:other"), "v", anything{}, 1h, own("bob"));
    write(own("s:nobody"), "v");
    for (const std::size_t page : {std::size_t{777}, page_keys_max}) {
        const std::vector<std::string> all = list(alice, "", page);
        EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
        EXPECT_TRUE(std::set(all.begin(), all.end()) == expected);
        EXPECT_EQ(all.size(), expected.size());
    }
    const std::vector<std::string> some = list(alice, sessions, 777);
    EXPECT_TRUE(std::is_sorted(some.begin(), some.end()));
    EXPECT_TRUE(std::set(some.begin(), some.end()) == expected_sessions);
    EXPECT_EQ(some.size(), expected_sessions.size());
    const result<subject_page> more =
        run(store_->list_subject(alice, "", "", page_keys_max + 500, soon()));
    ASSERT_TRUE(more.has_value());
    EXPECT_EQ(more->keys.size(), page_keys_max) << "no more are given than a page holds";
    EXPECT_TRUE(more->more);
    EXPECT_TRUE(list(own("nobody-here")).empty());
}

TEST_P(SubjectIndex, APageBeginsBehindTheLastKeyAndEndsWithItsPrefix) {
    const std::string alice = own("alice");
    const std::vector<std::string> names = {"a",     std::string("a\0", 2), "aa", "ab", "b",
                                            "b\xff", "b\xff\xff",           "c"};
    for (const std::string& name : names) write(own(name), "v", anything{}, 1h, alice);
    const auto keys = [&](const std::vector<std::string>& of) {
        std::vector<std::string> out;
        for (const std::string& one : of) out.push_back(own(one));
        return out;
    };
    const auto page = [&](const std::string& prefix, const std::string& after, std::size_t max) {
        return run(store_->list_subject(alice, prefix, after, max, soon())).value();
    };
    EXPECT_EQ(list(alice, "", 1), keys(names));
    EXPECT_EQ(list(alice, own("a"), 2), keys({"a", std::string("a\0", 2), "aa", "ab"}));
    EXPECT_EQ(list(alice, own("b\xff")), keys({"b\xff", "b\xff\xff"}));
    EXPECT_EQ(page("", own("aa"), 2).keys, keys({"ab", "b"}));
    EXPECT_TRUE(page("", own("aa"), 2).more);
    EXPECT_EQ(page(own("b"), own("aaaa"), 10).keys, keys({"b", "b\xff", "b\xff\xff"}));
    EXPECT_EQ(page(own("a"), own("b"), 10).keys, keys({}));
    EXPECT_EQ(page("", own("b\xff\xff"), 1).keys, keys({"c"}));
    EXPECT_FALSE(page("", own("b\xff\xff"), 1).more) << "no empty page at the end";
}

TEST_P(SubjectIndex, ARecordStandsUnderItsPresentSubjectOnly) {
    const std::string alice = own("alice");
    const std::string bob = own("bob");
    const std::string a = own("a");
    const std::string b = own("b");
    write(a, "v", anything{}, 1h, alice);
    write(b, "v", anything{}, 1h, alice);
    EXPECT_EQ(list(alice), (std::vector<std::string>{a, b}));
    const answer taken = write(b, "v", anything{}, 1h, bob);
    EXPECT_EQ(list(alice), std::vector<std::string>{a});
    EXPECT_EQ(list(bob), std::vector<std::string>{b});
    EXPECT_TRUE(write(b, "v", taken.version, 1h, alice).done) << "and back";
    EXPECT_EQ(list(alice), (std::vector<std::string>{a, b}));
    EXPECT_TRUE(list(bob).empty());
    write(a, "v", anything{}, 1h, "");
    EXPECT_EQ(list(alice), std::vector<std::string>{b});
    ask(erase{b, anything{}});
    EXPECT_TRUE(list(alice).empty());
    write(b, "v", anything{}, 1h, bob);
    EXPECT_TRUE(list(alice).empty()) << "a record of the same key later on is another's";
    EXPECT_EQ(list(bob), std::vector<std::string>{b});
    EXPECT_FALSE(write(b, "v", absent{}, 1h, alice).done);
    EXPECT_TRUE(list(alice).empty()) << "a refused put lists nothing";
}

TEST_P(SubjectIndex, ExpiredRecordsAreNotListedAndTouchedOnesStay) {
    const std::string alice = own("alice");
    const std::string gone = own("gone");
    const std::string kept = own("kept");
    write(gone, "v", anything{}, 300ms, alice);
    write(kept, "v", anything{}, 300ms, alice);
    EXPECT_TRUE(ask(touch{kept, 1h}).done);
    const auto last = read(gone);
    stage_.pass_until((last ? last->expires : stage_.now()) + 1ms);
    EXPECT_EQ(list(alice), std::vector<std::string>{kept});
    EXPECT_EQ(list(alice, "", 1), std::vector<std::string>{kept});
    write(gone, "again", absent{}, 1h, alice);
    EXPECT_EQ(list(alice), (std::vector<std::string>{gone, kept}));
}

class Scans : public Conformance {
 protected:
    // What belongs to this test, in the order of the pages.
    std::vector<std::string> scan(std::size_t page) {
        std::vector<std::string> out;
        std::string cursor;
        for (int pages = 0; pages < 100'000; ++pages) {
            const result<scan_page> got = run(store_->scan(cursor, page, soon()));
            EXPECT_TRUE(got.has_value()) << describe(got.error());
            if (got.has_error()) break;
            for (const std::string& key : got->keys)
                if (key.starts_with(own(""))) out.push_back(key);
            if (!got->more) return out;
            EXPECT_NE(got->cursor, cursor) << "a page that leads nowhere";
            cursor = got->cursor;
        }
        ADD_FAILURE() << "the scan does not end";
        return out;
    }
};
INSTANTIATE_TEST_SUITE_P(Stores, Scans, ::testing::ValuesIn(names_of([](const set_up& one) {
                             return one.promises.scans;
                         })),
                         name_of);
class WithoutScans : public Conformance {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WithoutScans);
INSTANTIATE_TEST_SUITE_P(Stores, WithoutScans, ::testing::ValuesIn(names_of([](const set_up& one) {
                             return !one.promises.scans;
                         })),
                         name_of);

TEST_P(Scans, EveryRecordIsSeenWhateverComesAndGoesMeanwhile) {
    std::set<std::string> expected;
    std::vector<operation> all;
    for (int i = 0; i < 1000; ++i) {
        const std::string key = own("k" + std::to_string(i) + std::string(1, '\0'));
        expected.insert(key);
        all.push_back(put{key, "v", 1h, anything{}, i % 2 == 0 ? own("alice") : ""});
    }
    ask_all(all);
    for (const std::size_t page : {std::size_t{100}, page_keys_max}) {
        const std::vector<std::string> found = scan(page);
        const std::set<std::string> seen(found.begin(), found.end());
        EXPECT_TRUE(seen == expected) << seen.size();
    }
    // Half of them go and others come between the pages.
    std::set<std::string> seen;
    std::string cursor;
    for (int i = 0;; ++i) {
        const result<scan_page> got = run(store_->scan(cursor, 100, soon()));
        ASSERT_TRUE(got.has_value()) << describe(got.error());
        seen.insert(got->keys.begin(), got->keys.end());
        if (!got->more) break;
        cursor = got->cursor;
        if (i == 0) {
            std::vector<operation> changes;
            for (int k = 0; k < 500; ++k)
                changes.push_back(
                    erase{own("k" + std::to_string(2 * k) + std::string(1, '\0')), anything{}});
            ask_all(changes);
            changes.clear();
            for (int k = 0; k < 1000; ++k)
                changes.push_back(put{own("n" + std::to_string(k)), "v", 1h, anything{}, ""});
            ask_all(changes);
        }
    }
    for (int k = 0; k < 500; ++k)
        EXPECT_TRUE(seen.contains(own("k" + std::to_string(2 * k + 1) + std::string(1, '\0'))));
}

TEST_P(Scans, ExpiredRecordsAreLeftOut) {
    const answer made = write(own("gone"), "v", anything{}, 300ms, own("alice"));
    write(own("kept"), "v");
    EXPECT_TRUE(made.done);
    const auto last = read(own("gone"));
    stage_.pass_until((last ? last->expires : stage_.now()) + 1ms);
    EXPECT_EQ(scan(100), std::vector<std::string>{own("kept")});
}

TEST_P(WithoutScans, AreRefused) {
    write(own("k"), "v");
    const result<scan_page> refused = run(store_->scan("", 100, soon()));
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error(), condition::unavailable);
}

class Purge : public Conformance {};
INSTANTIATE_TEST_SUITE_P(Stores, Purge, ::testing::ValuesIn(names_of(any_set_up)), name_of);

TEST_P(Purge, RemovesWhatIsExpiredAndNothingElse) {
    std::vector<operation> all;
    for (int i = 0; i < 300; ++i) {
        all.push_back(put{own("gone" + std::to_string(i)), "v", 300ms, anything{}, own("alice")});
        all.push_back(put{own("kept" + std::to_string(i)), "v", 1h, anything{}, own("alice")});
    }
    ask_all(all);
    stage_.pass_until(stage_.now() + 301ms);
    // Ends, for whatever is left.
    std::size_t removed = 0;
    for (int rounds = 0;; ++rounds) {
        ASSERT_LT(rounds, 10'000) << "it never says that nothing is left";
        const result<std::size_t> purged = run(store_->purge_expired(100, soon()));
        ASSERT_TRUE(purged.has_value()) << describe(purged.error());
        removed += *purged;
        if (*purged == 0) break;
    }
    EXPECT_EQ(list(own("alice")).size(), 300U);
    for (int i = 0; i < 300; ++i) {
        EXPECT_TRUE(read(own("kept" + std::to_string(i))).has_value());
        EXPECT_FALSE(read(own("gone" + std::to_string(i))).has_value());
    }
    EXPECT_EQ(run(store_->purge_expired(100, soon())).value(), 0U);
    RecordProperty("removed", static_cast<int>(removed));
}

}  // namespace
}  // namespace lethe::store
