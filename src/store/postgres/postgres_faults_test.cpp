// PostgreSQL servers that are restarted, frozen, killed, cut off in the middle of an answer, made
// read-only, or replaced by their replica; and those that are only reached over TLS.
#include "store/postgres/test_side.hpp"
#include "support/fault_proxy.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

namespace lethe::store::postgres {
namespace {

using lethe::test::fault_proxy;

std::string url_of(std::uint16_t port, const std::string& options = "") {
    return "postgres://lethe@127.0.0.1:" + std::to_string(port) + "/lethe" + options;
}

void expect_error(const result<answer>& got, condition wanted) {
    ASSERT_TRUE(got.has_error());
    EXPECT_EQ(got.error(), wanted) << describe(got.error());
}

bool answers(lethe_side& side) {
    return wait_for([&] { return side.ping(2s).has_value(); }, 30s);
}

std::string count_of(postgres_server& at, const std::string& where) {
    return at.sql("SELECT count(*) FROM pg_stat_activity WHERE " + where);
}

// Somebody who holds the lock of a record until let go.
class row_lock {
 public:
    row_lock(postgres_server& at, const std::string& key)
        : server_(at), thread_([&at, key] {
              EXPECT_THROW(at.sql("SET application_name = 'holder'; BEGIN; SELECT 1 FROM "
                                  "lethe.lethe_records WHERE key = '" +
                                  key + "' FOR UPDATE; SELECT pg_sleep(600)"),
                           std::runtime_error);
          }) {
        EXPECT_TRUE(wait_for([&] { return count_of(at, "wait_event = 'PgSleep'") == "1"; }, 20s));
    }
    ~row_lock() { let_go(); }
    row_lock(const row_lock&) = delete;
    row_lock& operator=(const row_lock&) = delete;

    void let_go() {
        if (!thread_.joinable()) return;
        server_.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
            "application_name = 'holder'");
        thread_.join();
    }

 private:
    postgres_server& server_;
    std::thread thread_;
};

void wait_until_blocked(postgres_server& at, const std::string& many = "1") {
    EXPECT_TRUE(wait_for(
        [&] {
            return count_of(at, "wait_event_type = 'Lock' AND application_name = 'lethe'") == many;
        },
        20s));
}

TEST(PostgresFaults, ACallThatRanOutOfTimeIsUnknownAndItsLateAnswerIsDropped) {
    postgres_server server;
    lethe_side side(server.url());
    side.write("k", "old");
    side.write("other", "v");
    ASSERT_TRUE(answers(side));
    row_lock held(server, "k");
    expect_error(side.ask(put{"k", "new", 1h, anything{}, ""}, 300ms), condition::outcome_unknown);
    EXPECT_EQ(side.read("k")->value, "old") << "readers do not wait";
    held.let_go();
    EXPECT_TRUE(wait_for([&] { return side.read("k")->value == "new"; }, 20s));
    EXPECT_TRUE(side.write("k", "newer").done);
    EXPECT_EQ(side.read("k")->value, "newer");
    EXPECT_EQ(side.metric("lethe_store_connections_lost_total"), 0);
    EXPECT_EQ(side.metric("lethe_store_requests_under_way"), 0);
}

TEST(PostgresFaults, ATransactionThatRanOutOfTimeBeforeItsCommitChangesNothing) {
    postgres_server server;
    lethe_side side(server.url());
    side.write("k", "old");
    row_lock held(server, "k");
    // Of two steps: one key is in it twice.
    const auto late = side.transact(
        {put{"a", "1", 1h, anything{}, ""}, put{"k", "new", 1h, anything{}, ""}, get{"k"}}, 400ms);
    ASSERT_TRUE(late.has_error());
    EXPECT_EQ(late.error(), condition::timeout) << describe(late.error());
    held.let_go();
    EXPECT_TRUE(wait_for(
        [&] {
            return count_of(server, "state LIKE 'idle in transaction%'") == "0" &&
                   count_of(server, "wait_event_type = 'Lock'") == "0";
        },
        20s));
    EXPECT_TRUE(side.write("k", "newer").done);
    EXPECT_FALSE(side.read("a").has_value());
}

TEST(PostgresFaults, OneThatWaitsForALockHoldsUpItsCompanionsButDoesNotFailThem) {
    postgres_server server;
    lethe_side side(with_option(server.url(), "connections=1"));
    side.write("k", "old");
    row_lock held(server, "k");
    std::vector<std::future<result<answer>>> coming;
    for (const char* const key : {"a", "k", "z"})
        coming.push_back(side.begin(put{key, "new", 1h, anything{}, ""}));
    // After lock_timeout the server refuses; then each is asked by itself.
    EXPECT_TRUE(wait_for([&] { return side.metric("lethe_store_retries_total") > 0; }, 20s));
    held.let_go();
    for (auto& each : coming) {
        const result<answer> got = each.get();
        ASSERT_TRUE(got.has_value()) << describe(got.error());
        EXPECT_TRUE(got->done);
    }
}

TEST(PostgresFaults, ABackendKilledInTheMiddleChangedNothingAndTheCallGoesOnElsewhere) {
    postgres_server server;
    lethe_side side(server.url());
    side.write("k", "old");
    row_lock held(server, "k");
    std::future<result<answer>> coming = side.begin(put{"k", "new", 1h, anything{}, ""});
    wait_until_blocked(server);
    server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
        "'lethe'");
    wait_until_blocked(server);
    held.let_go();
    const result<answer> got = coming.get();
    ASSERT_TRUE(got.has_value()) << describe(got.error());
    EXPECT_EQ(side.read("k")->version, got->version);
    EXPECT_GE(side.metric("lethe_store_connections_lost_total"), 1);
}

TEST(PostgresFaults, AnAnswerThatIsCutOffLeavesTheOutcomeUnknown) {
    postgres_server server;
    fault_proxy proxy(server.port());
    lethe_side side(url_of(proxy.port(), "?connections=1"));
    side.write("k", "old");
    // In the middle of the answer of the put.
    proxy.cut_after(7);
    expect_error(side.ask(put{"k", "new", 1h, anything{}, ""}), condition::outcome_unknown);
    ASSERT_TRUE(answers(side));
    EXPECT_EQ(side.read("k")->value, "new") << "it was done, and nobody could know";
    // A read changes nothing: it is asked again.
    proxy.cut_after(7);
    EXPECT_EQ(side.read("k")->value, "new");
    // Between BEGIN and COMMIT nothing was changed: all of it is asked again.
    proxy.cut_after(7);
    const auto moved =
        side.transact({put{"a", "1", 1h, absent{}, ""}, erase{"k", anything{}}, get{"k"}});
    ASSERT_TRUE(moved.has_value()) << describe(moved.error());
    EXPECT_TRUE((*moved)[0].done);
    EXPECT_FALSE(side.read("k").has_value());
    // In one step it was committed before the answer.
    proxy.cut_after(7);
    const auto lost = side.transact({put{"b", "1", 1h, absent{}, ""}, erase{"a", anything{}}});
    ASSERT_TRUE(lost.has_error());
    EXPECT_EQ(lost.error(), condition::outcome_unknown);
    ASSERT_TRUE(answers(side));
    EXPECT_TRUE(side.read("b").has_value());
    EXPECT_FALSE(side.read("a").has_value());
}

TEST(PostgresFaults, WithoutAServerCallsEndAtOnceAndGoOnWhenItIsBack) {
    postgres_server server;
    fault_proxy proxy(server.port());
    proxy.refuse(true);
    lethe_side side(url_of(proxy.port()));
    expect_error(side.ask(put{"k", "v", 1h, anything{}, ""}), condition::unavailable);
    EXPECT_GE(side.metric("lethe_store_connections_failed_total"), 1);
    proxy.heal();
    EXPECT_TRUE(answers(side));
    EXPECT_FALSE(side.read("k").has_value());
    EXPECT_TRUE(side.write("k", "v", absent{}).done);
}

TEST(PostgresFaults, AFrozenServerEndsCallsByTheirDeadlineAndLosesItsConnection) {
    postgres_server server;
    lethe_side side(server.url());
    side.write("k", "old");
    ASSERT_TRUE(answers(side));
    server.freeze();
    std::future<result<answer>> write = side.begin(put{"k", "new", 1h, anything{}, ""}, 500ms);
    std::future<result<answer>> read = side.begin(get{"k"}, 500ms);
    expect_error(write.get(), condition::outcome_unknown);
    expect_error(read.get(), condition::timeout);
    const double lost = side.metric("lethe_store_connections_lost_total");
    EXPECT_TRUE(wait_for(
        [&] { return side.metric("lethe_store_connections_lost_total") >= lost + 2; }, 20s));
    // What comes meanwhile ends by its deadline, too: the new connection is not made either.
    const result<answer> meanwhile = side.ask(put{"k", "newer", 1h, anything{}, ""}, 1s);
    ASSERT_TRUE(meanwhile.has_error());
    EXPECT_NE(meanwhile.error(), condition::outcome_unknown) << describe(meanwhile.error());
    server.thaw();
    ASSERT_TRUE(answers(side));
    const std::string value = side.read("k")->value;
    EXPECT_TRUE(value == "new" || value == "old") << value;
}

// ---- no answered change is lost, whatever happens to the server

// Counts up records of its own; what it was answered must be there afterwards.
struct counting {
    std::atomic<bool> stop{false};
    std::atomic<int> answered{0};
    std::atomic<int> unknown{0};
    std::atomic<int> refused{0};
};

// What the record holds now: what was acknowledged last, or the one change that came through though
// nobody knew.
task<> look_again(store& at, clock& time, const std::string& key, int& value, record_version& last,
                  const counting& seen) {
    while (!seen.stop) {
        const result<std::optional<record>> now = co_await at.read(key, time.steady_now() + 3s);
        if (now.has_error()) {
            const result<> slept = co_await time.sleep_until(time.steady_now() + 20ms);
            if (slept.has_error()) co_return slept.error();
            continue;
        }
        const int there = *now ? std::stoi((*now)->value) : 0;
        if (there != value && there != value + 1) co_return LETHE_ERR(errc::corrupt);
        value = there;
        last = *now ? (*now)->version : record_version{};
        break;
    }
    co_return result<>{};
}

task<> count_up(store& to, clock& time, std::string key, std::shared_ptr<counting> seen) {
    record_version last{};
    int value = 0;
    // A change whose end nobody knows may still be on its way, and come after a look at the record.
    bool late = false;
    while (!seen->stop) {
        const expectation expect = last.number == 0 ? expectation(absent{}) : expectation(last);
        const result<answer> got = co_await to.run(
            put{key, std::to_string(value + 1), 1h, expect, ""}, time.steady_now() + 3s);
        if (got.has_value() && got->done) {
            ++value;
            last = got->version;
            late = false;
            ++seen->answered;
            continue;
        }
        if (got.has_value() && !late) co_return LETHE_ERR(errc::corrupt);
        const bool unknown = got.has_error() && got.error() == condition::outcome_unknown;
        if (got.has_error()) {
            ++(unknown ? seen->unknown : seen->refused);
            const result<> slept = co_await time.sleep_until(time.steady_now() + 20ms);
            if (slept.has_error()) co_return slept.error();
        }
        late = late || unknown;
        if (!unknown && got.has_error()) continue;
        const result<> looked = co_await look_again(to, time, key, value, last, *seen);
        if (looked.has_error()) co_return looked.error();
    }
    co_return result<>{};
}

class load {
 public:
    explicit load(lethe_side& on) : seen_(std::make_shared<counting>()) {
        for (int i = 0; i < 16; ++i)
            coming_.push_back(lethe::test::begin_on_worker(
                on.worker().get(), count_up(on.in_store(), on.worker().get().time(),
                                            "counter" + std::to_string(i), seen_)));
    }
    ~load() { seen_->stop = true; }
    load(const load&) = delete;
    load& operator=(const load&) = delete;

    bool wait_for_more() {
        const int before = seen_->answered;
        return wait_for([&] { return seen_->answered > before + 200; }, 60s);
    }
    void finish() {
        seen_->stop = true;
        for (auto& each : coming_) {
            const result<> done = each.get();
            EXPECT_TRUE(done.has_value()) << describe(done.error());
        }
        coming_.clear();
    }

 private:
    std::shared_ptr<counting> seen_;
    std::vector<std::future<result<>>> coming_;
};

TEST(PostgresFaults, RestartsUnderLoadLoseNoAnsweredChange) {
    postgres_server server;
    lethe_side side(server.url());
    load running(side);
    EXPECT_TRUE(running.wait_for_more());
    server.restart();
    EXPECT_TRUE(running.wait_for_more());
    server.stop();
    server.start();
    EXPECT_TRUE(running.wait_for_more());
    server.stop_immediate();
    server.start();
    EXPECT_TRUE(running.wait_for_more());
    running.finish();
}

TEST(PostgresFaults, ConnectionsKilledUnderLoadLoseNoAnsweredChange) {
    postgres_server server;
    lethe_side side(server.url());
    load running(side);
    for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(running.wait_for_more());
        server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
            "application_name = 'lethe'");
    }
    EXPECT_TRUE(running.wait_for_more());
    running.finish();
}

TEST(PostgresFaults, AFailoverToTheReplicaLosesNoAnsweredChangeWhereItIsSynchronous) {
    postgres_pair pair({.synchronous = true});
    lethe_side side(pair.url());
    load running(side);
    EXPECT_TRUE(running.wait_for_more());
    pair.primary().kill_now();
    pair.promote();
    pair.replica().sql("ALTER SYSTEM SET synchronous_standby_names = ''");
    pair.replica().sql("SELECT pg_reload_conf()");
    EXPECT_TRUE(running.wait_for_more());
    running.finish();
}

TEST(PostgresFaults, AServerThatBecameReadOnlyRefusesAndIsLookedAtAnew) {
    postgres_server server;
    lethe_side side(server.url());
    side.write("k", "old");
    server.sql("ALTER SYSTEM SET default_transaction_read_only = on");
    server.sql("SELECT pg_reload_conf()");
    EXPECT_TRUE(wait_for(
        [&] {
            const result<answer> got = side.ask(put{"k", "new", 1h, anything{}, ""}, 5s);
            return got.has_error() && got.error() == condition::unavailable;
        },
        20s));
    EXPECT_TRUE(side.ping(5s).has_error());
    const std::string before = side.read("k")->value;
    server.sql("ALTER SYSTEM RESET default_transaction_read_only");
    server.sql("SELECT pg_reload_conf()");
    EXPECT_TRUE(answers(side));
    EXPECT_TRUE(side.write("k", before + "+").done);
}

// ---- TLS and passwords

TEST(PostgresFaults, AServersCertificateIsCheckedAgainstTheAuthority) {
    postgres_server server({.password = "s3cret", .tls = true});
    const std::string localhost =
        "postgres://lethe:s3cret@localhost:" + std::to_string(server.port()) + "/lethe";
    {
        lethe_side side(localhost +
                        "?sslmode=verify-full&sslrootcert=" + server.authority().string());
        EXPECT_TRUE(side.write("k", "v").done);
        // More than a TLS record.
        const std::string large(1'000'000, 'x');
        EXPECT_TRUE(side.write("large", large).done);
        EXPECT_TRUE(side.read("large")->value == large);
        EXPECT_EQ(server.sql("SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING "
                             "(pid) WHERE application_name = 'lethe'"),
                  "t");
    }
    postgres_server other({.tls = true});
    lethe_side wrong_authority(localhost +
                               "?sslmode=verify-full&sslrootcert=" + other.authority().string());
    expect_error(wrong_authority.ask(get{"k"}, 5s), condition::unavailable);
    lethe_side without(localhost + "?sslmode=disable");
    expect_error(without.ask(get{"k"}, 5s), condition::unavailable);
}

TEST(PostgresFaults, AWrongPasswordIsRefused) {
    postgres_server server({.password = "s3cret"});
    std::string url = server.url();
    url.replace(url.find("s3cret"), 6, "wr0ng");
    lethe_side side(url);
    expect_error(side.ask(get{"k"}, 5s), condition::unavailable);
}

}  // namespace
}  // namespace lethe::store::postgres
