// Which level a route gets, by what its store keeps now.
#include "gateway/tools/doctor.hpp"

#include "gateway/config/config_world.hpp"
#include "support/process.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace lethe::gateway::tools {
namespace {

using std::chrono::milliseconds;
using weight = store::finding::weight;

config::configuration configured(const std::string& text) {
    const config::test::outcome got = config::test::parse(text);
    EXPECT_EQ(got.text, "");
    return got.made.value_or(config::configuration{});
}

std::string routes(const std::string& idempotency, const std::string& session = "") {
    std::string out = "routes:\n  - match: {prefix: /a}\n    name: a\n    upstream: shop\n";
    if (!idempotency.empty()) out += "    idempotency: {scope: public" + idempotency + "}\n";
    if (!session.empty()) out += "    session: {read: [cart]" + session + "}\n";
    return out;
}

// What the store of config_world's configurations keeps.
facts_by_url facts(store::engine_promises promises, std::vector<store::finding> findings = {}) {
    store_facts one;
    one.seen = {.server = "Test 1", .promises = promises, .findings = std::move(findings)};
    return {{"sqlite:/s/l.db", one}};
}

constexpr store::engine_promises all_kept{
    .durable = true, .linearizable = true, .transactions = true, .shared = true, .scans = true};

const state_report& idempotency_of(const report& of) {
    for (const state_report& one : of.routes.at(0).state)
        if (one.what == "idempotency") return one;
    throw std::runtime_error("none");
}

bool says(const std::vector<std::string>& all, std::string_view what) {
    return std::ranges::any_of(
        all, [&](const std::string& one) { return one.find(what) != std::string::npos; });
}

TEST(Doctor, ADurableStoreThatEvictsNothingGivesG2) {
    const report seen =
        judge(configured(config::test::base(routes(", mode: required"))), facts(all_kept));
    EXPECT_EQ(idempotency_of(seen).level, guarantee::g2);
    EXPECT_EQ(seen.faults, 0U);
    EXPECT_EQ(seen.warnings, 0U);
    EXPECT_TRUE(says(idempotency_of(seen).why, "POST, PATCH"));
    EXPECT_FALSE(says(idempotency_of(seen).why, "G0"));
}

TEST(Doctor, AServiceThatDedupsMakesItG3) {
    const report seen =
        judge(configured(config::test::base(routes(", backend: dedups"))), facts(all_kept));
    EXPECT_EQ(idempotency_of(seen).level, guarantee::g3);
    EXPECT_TRUE(says(idempotency_of(seen).why, "backend: dedups"));
}

TEST(Doctor, AStoreThatForgetsGivesG1WhateverTheServiceDoes) {
    const config::configuration of = configured(config::test::base(routes(", backend: dedups")));
    for (const auto& [change, why] :
         std::vector<std::pair<void (*)(store::engine_promises&), const char*>>{
             {[](store::engine_promises& p) { p.durable = false; }, "not durable"},
             {[](store::engine_promises& p) { p.may_evict = true; }, "may evict"},
             {[](store::engine_promises& p) { p.linearizable = false; }, "not linearizable"}}) {
        store::engine_promises promises = all_kept;
        change(promises);
        const report seen = judge(of, facts(promises));
        EXPECT_EQ(idempotency_of(seen).level, guarantee::g1) << why;
        EXPECT_TRUE(says(idempotency_of(seen).why, why)) << why;
    }
}

// The configuration check accepted it, because the settings decide; they decided otherwise.
TEST(Doctor, ABrokenPromiseIsAFaultUnlessEveryRouteAllowsIt) {
    store::engine_promises evicts = all_kept;
    evicts.may_evict = true;
    const std::vector<store::finding> none;
    const std::vector<store::finding> told{
        {.how_bad = weight::fault, .what = "maxmemory-policy evicts", .advice = "noeviction"}};
    const auto of = [&](const char* more) {
        return configured(config::test::base(routes(more, ", allow_lossy: true")));
    };
    EXPECT_EQ(judge(of(", mode: optional"), facts(evicts, none)).faults, 1U);
    EXPECT_EQ(judge(of(", mode: optional"), facts(evicts, told)).faults, 1U);
    const report allowed = judge(of(", allow_lossy: true"), facts(evicts, told));
    EXPECT_EQ(allowed.faults, 0U);
    EXPECT_EQ(allowed.warnings, 1U);
    EXPECT_EQ(judge(of(", allow_lossy: true"), facts(evicts, none)).warnings, 0U);
}

TEST(Doctor, WhatARouteSaysAboutItselfIsTold) {
    const report seen =
        judge(configured(config::test::base(routes(
                  ", methods: [PUT], store_down: pass, on_500: release", ", allow_lossy: true"))),
              facts(all_kept));
    const std::vector<std::string>& why = idempotency_of(seen).why;
    EXPECT_TRUE(says(why, "POST, PATCH, PUT"));
    EXPECT_TRUE(says(why, "without a key get G0"));
    EXPECT_TRUE(says(why, "store_down: pass"));
    EXPECT_TRUE(says(why, "on_500: release"));
}

TEST(Doctor, ARouteWithoutStateHasNoneAndUnusedStoresAreNotAsked) {
    const config::configuration of = configured(config::test::base(routes("")));
    EXPECT_TRUE(used_urls(of).empty());
    const report seen = judge(of, {});
    EXPECT_TRUE(seen.routes.at(0).state.empty());
    EXPECT_EQ(seen.unused, std::vector<std::string>{"default"});
}

TEST(Doctor, AStoreThatDoesNotAnswerIsAFault) {
    const config::configuration of =
        configured(config::test::base(routes("", ", allow_lossy: true")));
    facts_by_url silent = facts(all_kept);
    silent.begin()->second.state = store_state::silent;
    silent.begin()->second.why = "refused";
    const report seen = judge(of, silent);
    EXPECT_EQ(seen.faults, 1U);
    EXPECT_TRUE(says(seen.routes.at(0).state.at(0).why, "does not answer"));
}

TEST(Doctor, WhereSettingsDecideASilentServerPromisesNothing) {
    store::engine_promises decided = all_kept;
    decided.durable = false;
    decided.settings_decide = true;
    facts_by_url silent = facts(decided);
    silent.begin()->second.state = store_state::silent;
    const report seen = judge(configured(config::test::base(routes(", mode: required"))), silent);
    EXPECT_EQ(idempotency_of(seen).level, guarantee::g1);
    EXPECT_TRUE(says(idempotency_of(seen).why, "its settings decide"));
    EXPECT_EQ(seen.faults, 1U);
}

TEST(Doctor, OfAPairTheWeakerCounts) {
    std::string text = config::test::base(routes("", ""));
    const std::string one = "store: \"sqlite:/s/l.db\"";
    text.replace(text.find(one), one.size(),
                 "store: {primary: \"sqlite:/s/l.db\", previous: \"sqlite:/s/old.db\"}");
    const config::configuration of = configured(text + "");
    facts_by_url both = facts(all_kept);
    both["sqlite:/s/old.db"] = both.begin()->second;
    both["sqlite:/s/old.db"].seen.promises.durable = false;
    config::configuration used = of;
    used.routes.at(0).idempotency.emplace();
    EXPECT_EQ(used_urls(used), (std::vector<std::string>{"sqlite:/s/l.db", "sqlite:/s/old.db"}));
    const report seen = judge(used, both);
    EXPECT_EQ(idempotency_of(seen).level, guarantee::g1);
    ASSERT_EQ(seen.stores.size(), 2U);
    EXPECT_EQ(seen.stores.at(1).name, "default, the previous one");
    EXPECT_EQ(seen.faults, 1U);
}

TEST(Doctor, AllStoresAreAskedAtOnceAndNoFileIsMade) {
    const test::temporary_folder folder("lethe-doctor-");
    const auto url = [&](const char* name) { return "sqlite:" + (folder.path() / name).string(); };
    std::ofstream(folder.path() / "not.db") << "this is not a database, and long enough to tell so";
    {
        // Makes the file.
        std::ofstream(folder.path() / "empty.db").flush();
    }
    const facts_by_url seen = examine_stores(
        {url("none.db"), url("not.db"), url("empty.db"), "memory:"}, std::chrono::seconds{10});
    EXPECT_EQ(seen.at(url("none.db")).state, store_state::unmade);
    EXPECT_TRUE(seen.at(url("none.db")).seen.promises.durable);
    EXPECT_FALSE(std::filesystem::exists(folder.path() / "none.db"));
    EXPECT_EQ(seen.at(url("not.db")).state, store_state::unopened);
    EXPECT_NE(seen.at(url("not.db")).why, "");
    EXPECT_EQ(seen.at(url("empty.db")).state, store_state::answers);
    EXPECT_TRUE(seen.at(url("empty.db")).seen.server.starts_with("SQLite 3"));
    EXPECT_EQ(seen.at("memory:").state, store_state::answers);
    EXPECT_FALSE(seen.at("memory:").seen.promises.durable);
}

}  // namespace
}  // namespace lethe::gateway::tools
