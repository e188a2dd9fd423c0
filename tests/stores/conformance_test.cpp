// The contract, asked of every engine: what one operation, a batch and a transaction do.
#include "stores/conformance.hpp"

#include "store/rules.hpp"

#include <set>

namespace lethe::store {
namespace {

using namespace std::chrono_literals;

INSTANTIATE_TEST_SUITE_P(Stores, Conformance, ::testing::ValuesIn(names_of(any_set_up)), name_of);

TEST_P(Conformance, AnEnginePromisesWhatItsPageSays) {
    const engine_promises& said = stage_.what().promises;
    std::vector<engine_promises> all = {engine_->promises(), store_->promises()};
    if (stage_.urls().size() == 1) {
        std::string why;
        const result<engine_promises> judged = promises_of_url(stage_.urls()[0], why);
        ASSERT_TRUE(judged.has_value()) << why;
        all.push_back(*judged);
    }
    for (const engine_promises& one : all) {
        EXPECT_EQ(one.durable, said.durable);
        EXPECT_EQ(one.settings_decide, said.settings_decide);
        EXPECT_EQ(one.linearizable, said.linearizable);
        EXPECT_EQ(one.transactions, said.transactions);
        EXPECT_EQ(one.may_evict, said.may_evict);
        EXPECT_EQ(one.shared, said.shared);
        EXPECT_EQ(one.scans, said.scans);
        EXPECT_FALSE(one.durable && one.settings_decide);
    }
}

TEST_P(Conformance, ARecordIsReadAsItWasPut) {
    const std::string k = own("k");
    EXPECT_FALSE(read(k).has_value());
    const system_time before = stage_.now();
    const answer made = write(k, "v", anything{}, 1h, own("alice"));
    const system_time after = stage_.now();
    EXPECT_TRUE(made.done);
    const auto present = read(k);
    ASSERT_TRUE(present.has_value());
    EXPECT_EQ(present->value, "v");
    EXPECT_EQ(present->subject, own("alice"));
    EXPECT_EQ(present->version, made.version);
    EXPECT_GE(present->expires, before + 1h);
    EXPECT_LE(present->expires, after + 1h);
}

TEST_P(Conformance, APutReplacesValueExpiryAndSubjectAtOnce) {
    const std::string k = own("k");
    write(k, "one", anything{}, 1h, own("alice"));
    const answer second = write(k, "two", anything{}, 2h, own("bob"));
    const auto present = read(k);
    ASSERT_TRUE(present.has_value());
    EXPECT_EQ(present->value, "two");
    EXPECT_EQ(present->subject, own("bob"));
    EXPECT_EQ(present->version, second.version);
    EXPECT_GT(present->expires, stage_.now() + 90min);
    write(k, "three", anything{}, 1min, "");
    EXPECT_EQ(read(k)->subject, "");
    EXPECT_LE(read(k)->expires, stage_.now() + 1min);
}

// Not one byte of a key or value means anything to an engine.
TEST_P(Conformance, KeysValuesAndSubjectsAreAnyBytes) {
    std::string every;
    for (int byte = 0; byte < 256; ++byte) every.push_back(static_cast<char>(byte));
    const std::string k = own(every.substr(0, 128));
    const std::string other = own(every.substr(128));
    const std::string subject = own(every);
    EXPECT_TRUE(write(k, every, absent{}, 1h, subject).done);
    EXPECT_TRUE(write(other, every + every, absent{}, 1h, subject).done);
    EXPECT_EQ(read(k)->value, every);
    EXPECT_EQ(read(k)->subject, subject);
    EXPECT_EQ(read(other)->value, every + every);
    EXPECT_EQ(list(subject), (std::vector<std::string>{k, other}));
    EXPECT_FALSE(read(k.substr(0, k.size() - 1)).has_value()) << "a prefix is another key";
    EXPECT_TRUE(write(own("schlüssel-☃"), "wert-☃").done);
    EXPECT_EQ(read(own("schlüssel-☃"))->value, "wert-☃");
    for (const std::string odd :
         {"{a}b", "a{}", "{", "a b", "a\r\nget b\r\n", "%00", "*", "'; --"}) {
        EXPECT_TRUE(write(own(odd), odd, absent{}, 1h, own(odd)).done) << odd;
        EXPECT_EQ(read(own(odd))->value, odd);
        EXPECT_EQ(list(own(odd)), std::vector<std::string>{own(odd)});
    }
}

TEST_P(Conformance, ValuesAreOfAnySizeUpToTheLimit) {
    const std::string k = own("k");
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{1000}, std::size_t{65'536},
          std::size_t{1'048'575}, std::size_t{8} << 20, value_bytes_max, std::size_t{3}}) {
        std::string value(size, '\xfe');
        for (std::size_t i = 0; i < size; i += 4093) value[i] = static_cast<char>(i);
        const answer made = write(k, value);
        EXPECT_TRUE(made.done) << size;
        const auto present = read(k);
        ASSERT_TRUE(present.has_value()) << size;
        EXPECT_EQ(present->version, made.version);
        EXPECT_TRUE(present->value == value) << size;
        // A conflict tells the present record, however large it is.
        const answer refused = write(k, "x", absent{});
        EXPECT_FALSE(refused.done);
        ASSERT_TRUE(refused.present.has_value());
        EXPECT_TRUE(refused.present->value == value) << size;
    }
}

TEST_P(Conformance, LargeValuesAreAnsweredInOneBatch) {
    std::vector<operation> puts;
    std::vector<operation> gets;
    for (int i = 0; i < 8; ++i) {
        const std::string k = own(std::to_string(i));
        puts.push_back(
            put{k, std::string(1'500'000, static_cast<char>('a' + i)), 1h, anything{}, ""});
        gets.push_back(get{k});
    }
    for (const answer& one : ask_all(puts)) EXPECT_TRUE(one.done);
    const std::vector<answer> got = ask_all(gets);
    for (int i = 0; i < 8; ++i) {
        ASSERT_TRUE(got[static_cast<std::size_t>(i)].present.has_value());
        EXPECT_TRUE(got[static_cast<std::size_t>(i)].present->value ==
                    std::string(1'500'000, static_cast<char>('a' + i)));
    }
}

TEST_P(Conformance, ExpectationsHoldOrNothingChangesAndThePresentRecordIsTold) {
    const std::string k = own("k");
    EXPECT_FALSE(write(k, "x", record_version{1}).done) << "a version of a missing record";
    EXPECT_FALSE(write(k, "x", record_version{1}).present.has_value());
    const answer first = write(k, "one", absent{}, 1h, own("alice"));
    ASSERT_TRUE(first.done);
    const auto present = read(k);
    const answer again = write(k, "two", absent{}, 2h, own("bob"));
    EXPECT_FALSE(again.done);
    ASSERT_TRUE(again.present.has_value());
    EXPECT_EQ(again.present->value, "one");
    EXPECT_EQ(again.present->version, first.version);
    EXPECT_EQ(again.present->subject, own("alice"));
    EXPECT_EQ(again.present->expires, present->expires);
    EXPECT_EQ(read(k)->expires, present->expires) << "a refused put moves no expiry";
    const answer second = write(k, "two", first.version);
    ASSERT_TRUE(second.done);
    EXPECT_NE(second.version, first.version);
    const answer stale = write(k, "three", first.version);
    EXPECT_FALSE(stale.done);
    EXPECT_EQ(stale.present->version, second.version);
    EXPECT_EQ(read(k)->value, "two");
    EXPECT_TRUE(write(k, "three").done) << "anything goes over anything";
}

TEST_P(Conformance, AnEraseExpectsAVersionOrAnything) {
    const std::string k = own("k");
    const answer first = write(k, "one");
    const answer second = write(k, "two");
    const answer refused = ask(erase{k, first.version});
    EXPECT_FALSE(refused.done);
    ASSERT_TRUE(refused.present.has_value());
    EXPECT_EQ(refused.present->value, "two");
    EXPECT_EQ(refused.present->version, second.version);
    EXPECT_TRUE(read(k).has_value());
    EXPECT_TRUE(ask(erase{k, second.version}).done);
    EXPECT_FALSE(read(k).has_value());
    const answer missing = ask(erase{k, second.version});
    EXPECT_FALSE(missing.done) << "a version of a missing record";
    EXPECT_FALSE(missing.present.has_value());
    EXPECT_TRUE(ask(erase{k, anything{}}).done) << "erasing what is not there is done";
    EXPECT_TRUE(write(k, "three", absent{}).done);
    EXPECT_TRUE(ask(erase{k, anything{}}).done);
    EXPECT_FALSE(read(k).has_value());
}

TEST_P(Conformance, AVersionIsNeverGivenTwice) {
    const std::string k = own("k");
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 20; ++i) {
        const answer made = write(k, "v", absent{});
        ASSERT_TRUE(made.done);
        EXPECT_NE(made.version.number, 0U);
        EXPECT_TRUE(seen.insert(made.version.number).second);
        const answer over = write(k, "v");
        EXPECT_TRUE(seen.insert(over.version.number).second) << "the same value, another version";
        EXPECT_TRUE(ask(erase{k, over.version}).done);
        if (i == 10 && stage_.what().promises.shared) open_again();
    }
}

// For as long as it lasts and not a moment longer: reads begun at or after the expiry find nothing,
// reads that ended before find it.
TEST_P(Conformance, ARecordEndsExactlyAtItsExpiry) {
    const std::string k = own("k");
    const answer made = write(k, "v", anything{}, 400ms, own("alice"));
    const auto present = read(k);
    ASSERT_TRUE(present.has_value()) << "400 ms were over before the first read";
    const system_time expires = present->expires;
    bool seen_after = false;
    for (system_time next = expires - 5ms; !seen_after; next += 1ms) {
        stage_.pass_until(next);
        const system_time begin = stage_.now();
        const bool there = read(k).has_value();
        const system_time end = stage_.now();
        if (there)
            EXPECT_LT(begin, expires);
        else
            EXPECT_GE(end, expires);
        seen_after = begin >= expires;
    }
    EXPECT_TRUE(list(own("alice")).empty());
    EXPECT_FALSE(ask(touch{k, 1h}).done);
    EXPECT_FALSE(ask(erase{k, made.version}).done) << "an expired record has no version";
    const answer refused = write(k, "x", made.version);
    EXPECT_FALSE(refused.done);
    EXPECT_FALSE(refused.present.has_value());
    EXPECT_TRUE(write(k, "new", absent{}).done) << "and is absent";
    EXPECT_EQ(read(k)->value, "new");
    EXPECT_TRUE(list(own("alice")).empty());
}

TEST_P(Conformance, TouchProlongsButNeverRevivesAndNeverChangesTheVersion) {
    const std::string k = own("k");
    const answer made = write(k, "v", anything{}, 1h, own("alice"));
    const auto before = read(k);
    EXPECT_TRUE(ask(touch{k, 2h}).done);
    const auto longer = read(k);
    ASSERT_TRUE(longer.has_value());
    EXPECT_EQ(longer->version, made.version);
    EXPECT_EQ(longer->value, "v");
    EXPECT_EQ(longer->subject, own("alice"));
    EXPECT_GE(longer->expires, before->expires + 59min);
    EXPECT_EQ(list(own("alice")), std::vector<std::string>{k});
    EXPECT_TRUE(write(k, "w", made.version).done) << "the version still holds";

    EXPECT_TRUE(ask(touch{k, 300ms}).done) << "shorter is fine, too";
    const auto shorter = read(k);
    ASSERT_TRUE(shorter.has_value());
    stage_.pass_until(shorter->expires);
    EXPECT_FALSE(ask(touch{k, 1h}).done);
    EXPECT_FALSE(read(k).has_value());
    EXPECT_FALSE(ask(touch{own("never"), 1h}).done);
    EXPECT_FALSE(read(own("never")).has_value());
}

TEST_P(Conformance, ALongLifeIsKeptAsItIs) {
    for (const auto days : {31, 400, 40'000}) {
        const std::string k = own(std::to_string(days));
        const system_time before = stage_.now();
        ASSERT_TRUE(write(k, "v", anything{}, 24h * days).done);
        const auto present = read(k);
        ASSERT_TRUE(present.has_value()) << days;
        EXPECT_GE(present->expires, before + 24h * days);
        EXPECT_LE(present->expires, stage_.now() + 24h * days);
    }
    ASSERT_TRUE(write(own("k"), "v", anything{}, std::chrono::milliseconds::max()).done);
    ASSERT_TRUE(read(own("k")).has_value());
    EXPECT_GE(read(own("k"))->expires, stage_.now() + 24h * 365 * 100);
}

TEST_P(Conformance, ABatchDoesEachOperationByItselfInOrder) {
    const std::string a = own("a");
    const std::string b = own("b");
    const std::vector<answer> answers =
        ask_all({put{a, "1", 1h, absent{}, ""}, put{a, "2", 1h, absent{}, ""}, get{a},
                 put{b, "3", 1h, anything{}, ""}, touch{a, 2h}, erase{a, anything{}}, get{a},
                 touch{a, 1h}, erase{a, record_version{5}}});
    ASSERT_EQ(answers.size(), 9U);
    EXPECT_TRUE(answers[0].done);
    EXPECT_FALSE(answers[1].done);
    EXPECT_EQ(answers[1].present.value_or(record{}).version, answers[0].version);
    EXPECT_TRUE(answers[2].done);
    EXPECT_EQ(answers[2].present.value_or(record{}).value, "1");
    EXPECT_TRUE(answers[4].done);
    EXPECT_TRUE(answers[5].done);
    EXPECT_TRUE(answers[6].done);
    EXPECT_FALSE(answers[6].present.has_value());
    EXPECT_FALSE(answers[7].done);
    EXPECT_FALSE(answers[8].done);
    EXPECT_EQ(read(b).value_or(record{}).value, "3");
    EXPECT_TRUE(ask_all({}).empty());
}

TEST_P(Conformance, ABatchOfTheGreatestLengthIsDone) {
    std::vector<operation> all;
    for (std::size_t i = 0; i < operations_max; ++i)
        all.push_back(put{own(std::to_string(i)), std::to_string(i), 1h, absent{}, ""});
    for (const answer& one : ask_all(std::exchange(all, {}))) ASSERT_TRUE(one.done);
    for (std::size_t i = 0; i < operations_max; ++i) all.push_back(get{own(std::to_string(i))});
    const std::vector<answer> got = ask_all(all);
    for (std::size_t i = 0; i < operations_max; ++i)
        ASSERT_EQ(got[i].present.value_or(record{}).value, std::to_string(i));
    all.push_back(get{own("one more")});
    const auto refused = run(store_->batch(all, soon()));
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error(), condition::too_large);
}

TEST_P(Conformance, WhatMakesNoSenseOrIsTooLargeIsRefusedAndNothingOfItsBatchIsDone) {
    const std::vector<std::pair<operation, condition>> cases = {
        {get{""}, condition::malformed},
        {put{"", "v", 1h, anything{}, ""}, condition::malformed},
        {put{own("k"), "v", 0ms, anything{}, ""}, condition::malformed},
        {erase{own("k"), absent{}}, condition::malformed},
        {touch{own("k"), -1ms}, condition::malformed},
        {get{std::string(key_bytes_max + 1, 'k')}, condition::too_large},
        {put{own("k"), std::string(value_bytes_max + 1, 'v'), 1h, anything{}, ""},
         condition::too_large},
        {put{own("k"), "v", 1h, anything{}, std::string(subject_bytes_max + 1, 's')},
         condition::too_large},
    };
    for (const auto& [one, expected] : cases) {
        const result<answer> got = run(store_->run(one, soon()));
        ASSERT_TRUE(got.has_error());
        EXPECT_EQ(got.error(), expected) << describe(got.error());
        const auto both =
            run(store_->batch({put{own("before"), "v", 1h, anything{}, ""}, one}, soon()));
        ASSERT_TRUE(both.has_error());
        EXPECT_FALSE(read(own("before")).has_value());
    }
    const std::string longest = own(std::string(key_bytes_max - own("").size(), 'k'));
    const std::string subject = own(std::string(subject_bytes_max - own("").size(), 's'));
    EXPECT_TRUE(write(longest, "v", absent{}, 1h, subject).done);
    EXPECT_EQ(read(longest)->subject, subject);
    EXPECT_EQ(list(subject), std::vector<std::string>{longest});
    const std::string neighbour = longest.substr(0, longest.size() - 1) + "l";
    EXPECT_FALSE(read(neighbour).has_value());
    EXPECT_EQ(run(store_->list_subject("", "", "", 10, soon())).error(), condition::malformed);
    EXPECT_EQ(run(store_->list_subject("s", "", "", 0, soon())).error(), condition::malformed);
}

TEST_P(Conformance, AfterItsDeadlineAnOperationIsNotBegun) {
    const std::string k = own("k");
    EXPECT_TRUE(run(store_->ping(soon())).has_value());
    const steady_time past = worker().time().steady_now() - 1ms;
    const auto late = [](const error_code& error) { return error == condition::timeout; };
    EXPECT_TRUE(late(run(store_->run(put{k, "v", 1h, anything{}, ""}, past)).error()));
    EXPECT_TRUE(late(run(store_->run(get{k}, past)).error()));
    EXPECT_TRUE(late(run(store_->list_subject(own("s"), "", "", 10, past)).error()));
    EXPECT_TRUE(late(run(store_->ping(past)).error()));
    if (stage_.what().promises.transactions)
        EXPECT_TRUE(late(run(store_->transact({put{k, "v", 1h, anything{}, ""}}, past)).error()));
    EXPECT_FALSE(read(k).has_value());
}

TEST_P(Conformance, AClosedEngineAnswersUnavailable) {
    EXPECT_TRUE(run(store_->ping(soon())).has_value());
    engine_->close();
    const auto refused = [](const error_code& error) { return error == condition::unavailable; };
    EXPECT_TRUE(refused(run(store_->run(put{own("k"), "v", 1h, anything{}, ""}, soon())).error()));
    EXPECT_TRUE(refused(run(store_->run(get{own("k")}, soon())).error()));
    EXPECT_TRUE(refused(run(store_->list_subject(own("s"), "", "", 10, soon())).error()));
    EXPECT_TRUE(refused(run(store_->ping(soon())).error()));
    engine_.reset();
    EXPECT_TRUE(refused(run(store_->run(get{own("k")}, soon())).error()))
        << "a store that outlives its engine";
}

TEST_P(Conformance, WhatWasPutIsThereForTheNextProcess) {
    if (!stage_.what().promises.shared) return;
    const answer made = write(own("k"), "v", anything{}, 1h, own("alice"));
    open_again();
    EXPECT_EQ(read(own("k")).value_or(record{}).version, made.version);
    EXPECT_EQ(list(own("alice")), std::vector<std::string>{own("k")});
}

TEST_P(Conformance, TheServerIsExaminedAndItsTablesAreMigratedOnce) {
    const result<migration> once = run(store_->migrate(soon()));
    ASSERT_TRUE(once.has_value()) << describe(once.error());
    const result<migration> twice = run(store_->migrate(soon()));
    ASSERT_TRUE(twice.has_value()) << describe(twice.error());
    EXPECT_EQ(twice->from, once->to);
    EXPECT_EQ(twice->to, once->to);
    const result<examination> found = run(store_->examine(soon()));
    ASSERT_TRUE(found.has_value()) << describe(found.error());
    EXPECT_FALSE(found->server.empty());
    const engine_promises& said = stage_.what().promises;
    for (const finding& one : found->findings)
        if (said.durable || said.settings_decide)
            EXPECT_NE(one.how_bad, finding::weight::fault) << one.what;
}

class Transactions : public Conformance {};
INSTANTIATE_TEST_SUITE_P(Stores, Transactions, ::testing::ValuesIn(names_of([](const set_up& one) {
                             return one.promises.transactions;
                         })),
                         name_of);
class WithoutTransactions : public Conformance {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WithoutTransactions);
INSTANTIATE_TEST_SUITE_P(Stores, WithoutTransactions,
                         ::testing::ValuesIn(names_of([](const set_up& one) {
                             return !one.promises.transactions;
                         })),
                         name_of);

TEST_P(Transactions, AllOrNothing) {
    const std::string a = own("a");
    const std::string b = own("b");
    const std::string taken = own("taken");
    const answer before = write(taken, "x", anything{}, 1h, own("alice"));
    const std::vector<answer> failed =
        transact({put{a, "1", 1h, absent{}, own("bob")}, erase{taken, anything{}},
                  put{b, "1", 1h, record_version{99}, ""}, put{taken, "y", 1h, anything{}, ""}});
    EXPECT_FALSE(failed[2].done);
    for (const answer& one : failed) EXPECT_EQ(one.version, record_version{});
    EXPECT_FALSE(read(a).has_value());
    EXPECT_FALSE(read(b).has_value());
    EXPECT_EQ(read(taken).value_or(record{}).version, before.version);
    EXPECT_EQ(list(own("alice")), std::vector<std::string>{taken});
    EXPECT_TRUE(list(own("bob")).empty());

    const std::vector<answer> touched =
        transact({put{a, "1", 1h, absent{}, ""}, touch{own("missing"), 1h}});
    EXPECT_FALSE(touched[1].done);
    EXPECT_FALSE(read(a).has_value());

    const std::vector<answer> done =
        transact({put{a, "1", 1h, absent{}, own("bob")}, erase{taken, before.version}});
    EXPECT_TRUE(done[0].done && done[1].done);
    EXPECT_EQ(read(a).value_or(record{}).version, done[0].version);
    EXPECT_FALSE(read(taken).has_value());
    EXPECT_EQ(list(own("bob")), std::vector<std::string>{a});
    EXPECT_TRUE(list(own("alice")).empty());
}

TEST_P(Transactions, AConflictTellsThePresentRecord) {
    const std::string a = own("a");
    const answer made = write(a, "one", anything{}, 1h, own("alice"));
    const std::vector<answer> failed =
        transact({put{own("b"), "x", 1h, anything{}, ""}, put{a, "two", 1h, absent{}, ""}});
    EXPECT_FALSE(failed[1].done);
    ASSERT_TRUE(failed[1].present.has_value());
    EXPECT_EQ(failed[1].present->version, made.version);
    EXPECT_EQ(failed[1].present->value, "one");
    EXPECT_EQ(failed[1].present->subject, own("alice"));
}

TEST_P(Transactions, EachOperationSeesTheEarlierOnes) {
    const std::string a = own("a");
    const std::vector<answer> done =
        transact({put{a, "1", 1h, absent{}, ""}, get{a}, erase{a, anything{}}, get{a},
                  put{a, "2", 1h, absent{}, ""}, touch{a, 2h}, get{a}});
    for (const answer& one : done) EXPECT_TRUE(one.done);
    EXPECT_EQ(done[1].present.value_or(record{}).value, "1");
    EXPECT_EQ(done[1].present.value_or(record{}).version, done[0].version);
    EXPECT_FALSE(done[3].present.has_value());
    EXPECT_EQ(done[6].present.value_or(record{}).value, "2");
    EXPECT_EQ(read(a).value_or(record{}).version, done[4].version);
    EXPECT_TRUE(transact({}).empty());
}

TEST_P(Transactions, ManyRecordsAndLargeOnes) {
    std::vector<operation> all;
    for (std::size_t i = 0; i < operations_max; ++i)
        all.push_back(put{own(std::to_string(i)), "v", 1h, absent{}, own("alice")});
    std::vector<operation> failing = all;
    failing.back() = touch{own("missing"), 1h};
    for (const answer& one : transact(failing)) EXPECT_EQ(one.version, record_version{});
    EXPECT_TRUE(list(own("alice")).empty());
    for (const answer& one : transact(all)) ASSERT_TRUE(one.done);
    EXPECT_EQ(list(own("alice")).size(), operations_max);
    const std::string large(std::size_t{4} << 20, 'x');
    transact({put{own("l1"), large, 1h, absent{}, ""}, put{own("l2"), large, 1h, absent{}, ""}});
    EXPECT_TRUE(read(own("l1")).value_or(record{}).value == large);
    EXPECT_TRUE(read(own("l2")).value_or(record{}).value == large);
}

TEST_P(WithoutTransactions, AreRefusedAndNothingIsDone) {
    const auto refused = run(store_->transact({put{own("k"), "v", 1h, anything{}, ""}}, soon()));
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error(), condition::unavailable);
    EXPECT_FALSE(read(own("k")).has_value());
}

}  // namespace
}  // namespace lethe::store
