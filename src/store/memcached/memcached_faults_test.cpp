// Memcached servers that forget, freeze, die, refuse, or lose an answer; and several of them.
#include "store/memcached/server.hpp"
#include "store/memcached/test_side.hpp"
#include "support/fault_proxy.hpp"

#include <fstream>
#include <map>
#include <set>

namespace lethe::store::memcached {
namespace {

using lethe::test::fault_proxy;

std::string url_of(std::uint16_t port) {
    return "memcached://127.0.0.1:" + std::to_string(port);
}

void expect_error(const result<answer>& got, condition wanted) {
    ASSERT_TRUE(got.has_error());
    EXPECT_EQ(got.error(), wanted) << describe(got.error());
}

// Asks until it is answered: a connection that was lost is made anew after a pause.
answer ask_until_answered(lethe_side& side, const operation& one) {
    answer out;
    const bool answered = lethe::test::wait_for(
        [&] {
            result<answer> got = side.ask(one);
            if (got.has_error()) return false;
            out = *std::move(got);
            return true;
        },
        20s);
    EXPECT_TRUE(answered);
    return out;
}

TEST(MemcachedFaults, ARestartForgetsEverythingAndNothingElseHappens) {
    memcached_server server;
    lethe_side side(server.url());
    const answer made = side.write("k", "v", anything{}, 1h, "alice");
    server.restart();
    EXPECT_FALSE(ask_until_answered(side, get{"k"}).present.has_value());
    EXPECT_TRUE(side.keys_of("alice").empty());
    EXPECT_FALSE(side.write("k", "x", made.version).done);
    EXPECT_TRUE(side.write("k", "new", absent{}, 1h, "alice").done);
    EXPECT_EQ(side.keys_of("alice"), std::vector<std::string>{"k"});
}

// A restarted server counts its CAS values from 1 again: a value read before is then that of
// another record, by chance.
TEST(MemcachedFaults, ACasValueIsGoodOnItsOwnConnectionOnly) {
    memcached_server server;
    running_worker worker;
    std::unique_ptr<memcached::server> link;
    lethe::test::do_on_worker(worker.get(), [&] {
        link = std::make_unique<memcached::server>(worker.get(), server_options{},
                                                   net::address{"127.0.0.1", server.port()});
    });
    const auto soon = [&] { return worker.get().time().steady_now() + 20s; };
    ASSERT_TRUE(worker.run(link->ping(soon())).has_value());
    connection_number first = 0;
    lethe::test::do_on_worker(worker.get(), [&] { first = link->connection(); });
    EXPECT_NE(first, 0U);
    server.kill_now();
    const auto number_now = [&] {
        connection_number out = 0;
        lethe::test::do_on_worker(worker.get(), [&] { out = link->connection(); });
        return out;
    };
    EXPECT_TRUE(lethe::test::wait_for([&] { return number_now() == 0; }, 10s));
    server.start();
    EXPECT_TRUE(
        lethe::test::wait_for([&] { return worker.run(link->ping(soon())).has_value(); }, 20s));
    EXPECT_NE(number_now(), 0U);
    EXPECT_NE(number_now(), first);
    lethe::test::do_on_worker(worker.get(), [&] { link.reset(); });
}

TEST(MemcachedFaults, AFullServerForgetsRecordsAndSaysSo) {
    const memcached_server server({"-m", "8"});
    lethe_side side(server.url());
    constexpr int records = 100;
    int refused = 0;
    for (int i = 0; i < records; ++i) {
        const result<answer> got =
            side.ask(put{"s:" + std::to_string(i), some_value(300'000), 1h, absent{}, ""});
        if (got.has_error()) {
            EXPECT_EQ(got.error(), condition::unavailable) << describe(got.error());
            ++refused;
        }
    }
    int there = 0;
    for (int i = 0; i < records; ++i) {
        const auto present = side.read("s:" + std::to_string(i));
        if (!present) continue;
        EXPECT_EQ(present->value, some_value(300'000));
        ++there;
    }
    EXPECT_GT(there, 0);
    EXPECT_LT(there, records - refused);
    EXPECT_TRUE(side.of().promises().may_evict);
    const auto found = side.worker().run(side.in_store().examine(side.in(20s)));
    ASSERT_TRUE(found.has_value());
    EXPECT_TRUE(found->server.starts_with("Memcached 1.")) << found->server;
    bool told = false;
    for (const finding& one : found->findings)
        told |=
            one.how_bad == finding::weight::fault && one.what.find("evicted") != std::string::npos;
    EXPECT_TRUE(told);
}

TEST(MemcachedFaults, AFrozenServerEndsReadsWithTimeoutAndWritesWithUnknown) {
    memcached_server server;
    lethe_side side(server.url());
    const answer made = side.write("k", "before");
    server.freeze();
    expect_error(side.ask(get{"k"}, 200ms), condition::timeout);
    expect_error(side.ask(put{"k", "after", 1h, anything{}, ""}, 200ms),
                 condition::outcome_unknown);
    // Looks first: it never came to write.
    expect_error(side.ask(put{"k", "never", 1h, made.version, ""}, 200ms), condition::timeout);
    expect_error(side.ask(touch{"k", 2h}, 200ms), condition::timeout);
    server.thaw();
    EXPECT_EQ(side.read("k")->value, "after") << "what was sent is done once it runs again";
}

TEST(MemcachedFaults, ALostAnswerIsUnknownAndReadingTells) {
    const memcached_server server;
    fault_proxy proxy(server.port());
    lethe_side side(url_of(proxy.port()));
    ASSERT_TRUE(side.write("warm", "v").done);
    proxy.drop_answers(true);
    expect_error(side.ask(put{"k", "v", 1h, absent{}, ""}, 300ms), condition::outcome_unknown);
    proxy.cut();
    proxy.heal();
    EXPECT_EQ(ask_until_answered(side, get{"k"}).present->value, "v");
    proxy.drop_answers(true);
    expect_error(side.ask(erase{"k", anything{}}, 300ms), condition::outcome_unknown);
    proxy.cut();
    proxy.heal();
    EXPECT_FALSE(ask_until_answered(side, get{"k"}).present.has_value());
}

// Whatever the byte at which the connection breaks, a large record is whole or not there, and an
// answer that says done is true.
TEST(MemcachedFaults, AConnectionThatBreaksAnywhereLeavesRecordsWhole) {
    const memcached_server server;
    fault_proxy proxy(server.port());
    lethe_side side(url_of(proxy.port()));
    lethe_side straight(server.url());
    const std::string old_value = some_value(1 << 20);
    std::string new_value = old_value;
    new_value[0] = static_cast<char>(new_value[0] + 1);
    for (std::size_t bytes = 0;; ++bytes) {
        const answer first = straight.write("k", old_value, anything{}, 1h, "alice");
        ask_until_answered(side, get{"none"});
        const std::size_t before = proxy.answered_bytes();
        proxy.cut_after(bytes);
        const result<answer> got = side.ask(put{"k", new_value, 1h, first.version, "alice"});
        const auto present = straight.read("k");
        ASSERT_TRUE(present.has_value());
        const bool changed = present->version != first.version;
        EXPECT_TRUE(present->value == (changed ? new_value : old_value));
        if (got.has_value()) {
            EXPECT_TRUE(got->done && changed && got->version == present->version);
        } else if (got.error() != condition::outcome_unknown) {
            EXPECT_FALSE(changed) << describe(got.error());
        }
        proxy.heal();
        EXPECT_EQ(straight.keys_of("alice"), std::vector<std::string>{"k"});
        if (got.has_value()) {
            EXPECT_GT(bytes, 20U);
            break;
        }
        // Within the large answer one cut is as good as another.
        const std::size_t passed = proxy.answered_bytes() - before;
        bytes += passed > 100 ? 7 : 0;
    }
}

TEST(MemcachedFaults, KeysAreSpreadOverHostsAndADeadHostTakesItsOwnOnly) {
    memcached_server one;
    memcached_server two;
    memcached_server three;
    lethe_side side(hosts_url({&one, &two, &three}));
    lethe_side other(hosts_url({&three, &one, &two}));
    constexpr int keys = 300;
    for (int i = 0; i < keys; ++i)
        EXPECT_TRUE(side.write("s:" + std::to_string(i), "v", absent{}).done);
    for (const memcached_server* host : {&one, &two, &three})
        EXPECT_GT(statistic_of(*host, "curr_items"), 30U);
    EXPECT_EQ(statistic_of(one, "curr_items") + statistic_of(two, "curr_items") +
                  statistic_of(three, "curr_items"),
              static_cast<std::uint64_t>(keys));
    const auto lost = statistic_of(two, "curr_items");
    two.kill_now();
    std::size_t unavailable = 0;
    for (int i = 0; i < keys; ++i) {
        const result<answer> got = other.ask(get{"s:" + std::to_string(i)});
        if (got.has_error()) {
            EXPECT_EQ(got.error(), condition::unavailable);
            ++unavailable;
        } else {
            EXPECT_TRUE(got->present.has_value());
        }
    }
    EXPECT_EQ(unavailable, lost) << "no key moves to another host";
    EXPECT_TRUE(other.worker().run(other.in_store().ping(other.in(5s))).has_value());
    const auto found = other.worker().run(other.in_store().examine(other.in(20s)));
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->findings.front().how_bad,
              std::min(found->findings.front().how_bad, finding::weight::fault));
    int dead = 0;
    for (const finding& each : found->findings)
        dead += each.what == two.host() + " does not answer: its records are unavailable";
    EXPECT_EQ(dead, 1);
    two.start();
    for (int i = 0; i < keys; ++i) ask_until_answered(other, get{"s:" + std::to_string(i)});
    one.kill_now();
    two.kill_now();
    three.kill_now();
    EXPECT_TRUE(side.worker().run(side.in_store().ping(side.in(2s))).has_error());
}

TEST(MemcachedFaults, AFrozenHostLeavesTheOthersTheirSpeed) {
    memcached_server one;
    memcached_server two;
    lethe_side side(hosts_url({&one, &two}));
    for (int i = 0; i < 50; ++i) side.write("s:" + std::to_string(i), "v");
    const auto on_one = statistic_of(one, "curr_items");
    one.freeze();
    std::size_t answered = 0;
    for (int i = 0; i < 50; ++i) {
        const result<answer> got = side.ask(get{"s:" + std::to_string(i)}, 20ms);
        answered += got.has_value();
        if (got.has_error()) EXPECT_EQ(got.error(), condition::timeout);
    }
    EXPECT_EQ(answered, 50 - on_one);
    EXPECT_TRUE(side.worker().run(side.in_store().ping(side.in(2s))).has_value());
    const auto found = side.worker().run(side.in_store().examine(side.in(2s)));
    ASSERT_TRUE(found.has_value()) << "the frozen one leaves time to look at the other";
    EXPECT_TRUE(found->server.starts_with("Memcached 1.")) << found->server;
    one.thaw();
}

TEST(MemcachedFaults, ALoginIsAskedForAndTold) {
    const lethe::test::temporary_folder folder("lethe-memcached-login-");
    const std::string file = folder.path() / "users";
    std::ofstream(file) << "lethe:s3cret\n";
    const memcached_server server({"-Y", file});
    const std::string host = server.host();
    lethe_side right("memcached://lethe:s3cret@" + host);
    EXPECT_TRUE(right.write("k", "v").done);
    for (const std::string& login : {std::string("lethe:wrong@"), std::string()}) {
        lethe_side wrong("memcached://" + login + host);
        expect_error(wrong.ask(get{"k"}), condition::unavailable);
        expect_error(wrong.ask(put{"k", "x", 1h, anything{}, ""}), condition::unavailable);
    }
    EXPECT_EQ(right.read("k")->value, "v");
}

TEST(MemcachedFaults, AServerThatCannotKeepConditionsIsRefused) {
    const memcached_server server({"-C"});
    lethe_side side(server.url());
    expect_error(side.ask(put{"k", "v", 1h, anything{}, ""}), condition::unavailable);
}

TEST(MemcachedFaults, AUrlThatMakesNoSenseIsRefusedWithASentence) {
    for (const std::string& url :
         {std::string("memcached://"), std::string("memcached://a/path"),
          std::string("memcached://a?failover=yes"), std::string("memcached://a?prefix=x:y"),
          std::string("memcached://a?prefix="), std::string("memcached://a,a"),
          std::string("memcached://only-user@a"), std::string("memcached://u:p%0d%0aquit@a"),
          std::string("memcached://u%20v:p@a"), std::string("memcached:a")}) {
        std::string why;
        EXPECT_TRUE(lethe::store::validate_url(url, why).has_error()) << url;
        EXPECT_FALSE(why.empty()) << url;
        EXPECT_EQ(why.find("quit"), std::string::npos) << "a password is never repeated";
    }
    std::string why;
    const auto promises =
        lethe::store::promises_of_url("memcached://u:p%20q@a,b:1234?prefix=shop-1", why);
    ASSERT_TRUE(promises.has_value()) << why;
    EXPECT_TRUE(promises->may_evict);
    EXPECT_FALSE(promises->durable);
}

TEST(MemcachedFaults, PrefixesShareAServerAndNoRecord) {
    const memcached_server server;
    lethe_side one(server.url() + "?prefix=one");
    lethe_side two(server.url() + "?prefix=two");
    one.write("k", "of one", anything{}, 1h, "alice");
    EXPECT_FALSE(two.read("k").has_value());
    EXPECT_TRUE(two.keys_of("alice").empty());
}

}  // namespace
}  // namespace lethe::store::memcached
