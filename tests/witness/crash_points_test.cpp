// A keyed request that changes a session takes effect once, wherever its gateway dies: before each
// of its writes to the store and after each, for every one of them until a whole request passes.
// The retry goes through another gateway.
#include "support/servers.hpp"
#include "support/shop_stage.hpp"
#include "witness/caller.hpp"
#include "witness/judge.hpp"
#include "witness/replicas.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>

namespace lethe::witness {
namespace {

using namespace std::chrono_literals;
using instant = test::fault_proxy::instant;

constexpr std::chrono::milliseconds patience = 25s;
// More than any request writes.
constexpr std::size_t writes_max = 40;

// Ends the first gateway at its n-th write from now on.
class assassin {
 public:
    assassin() = default;
    virtual ~assassin() = default;
    assassin(const assassin&) = delete;
    assassin& operator=(const assassin&) = delete;
    virtual void arm(std::size_t n, instant when) = 0;
    // Whether it has.
    virtual bool disarm() = 0;
};

class at_the_proxy final : public assassin {
 public:
    explicit at_the_proxy(test::shop_stage& stage) : stage_(stage) {}
    void arm(std::size_t n, instant when) override {
        struck_ = false;
        const pid_t victim = stage_.gateway(0).id();
        stage_.store_proxy().at_request(n, when, [this, victim] {
            ::kill(victim, SIGKILL);
            struck_ = true;
        });
    }
    bool disarm() override {
        stage_.store_proxy().at_request(0, instant::before, {});
        return struck_;
    }

 private:
    test::shop_stage& stage_;
    std::atomic<bool> struck_ = false;
};

// By die_at_write.c within the gateway; its number lies in a file that both have in memory.
class at_the_file final : public assassin {
 public:
    explicit at_the_file(const std::filesystem::path& file) {
        const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (descriptor < 0 || ::ftruncate(descriptor, sizeof(std::int64_t)) != 0)
            throw std::runtime_error("cannot make " + file.string());
        void* const place = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ | PROT_WRITE,
                                   MAP_SHARED, descriptor, 0);
        ::close(descriptor);
        if (place == MAP_FAILED) throw std::runtime_error("cannot map " + file.string());
        left_ = static_cast<std::int64_t*>(place);
    }
    ~at_the_file() override { ::munmap(left_, sizeof(std::int64_t)); }
    void arm(std::size_t n, instant) override { set(static_cast<std::int64_t>(n)); }
    bool disarm() override { return set(0) < 0; }

 private:
    std::int64_t set(std::int64_t n) { return __atomic_exchange_n(left_, n, __ATOMIC_SEQ_CST); }

    std::int64_t* left_ = nullptr;
};

struct shape {
    const char* name;
    const char* rule;
    bool has_session;
};
constexpr shape shapes[] = {
    {"add-hold", "hold", true},
    {"add-resend", "resend", true},
    {"add-reconcile", "reconcile", true},
    {"first-hold", "hold", false},
    {"first-resend", "resend", false},
    {"logout", "logout", true},
    {"login", "login", true},
};

std::string target_of(const std::string& rule) {
    return rule == "login" || rule == "logout" ? "/w/" + rule : "/w/" + rule + "/work";
}

class CrashPoints : public ::testing::TestWithParam<const char*> {
 protected:
    CrashPoints() {
        test::stage_options options;
        options.lethe = LETHE_BINARY;
        options.shop = {SHOP_BINARY};
        options.replicas = 1;
        options.gateways = 2;
        options.log_level = "warn";
        const bool is_file = std::string(GetParam()) == "sqlite";
        if (is_file) {
            file_ = std::make_unique<at_the_file>(folder_.path() / "die-at");
            options.first_gateway_under = {"/usr/bin/env", "LD_PRELOAD=" DIE_AT_WRITE,
                                           "LETHE_DIE_AT=" + (folder_.path() / "die-at").string()};
        } else {
            options.store = GetParam();
            options.proxied = true;
        }
        services_.add_to(options, "1s");
        stage_ = std::make_unique<test::shop_stage>(options);
        services_.start_all(stage_->folder());
        stage_->open();
        if (!is_file) file_ = std::make_unique<at_the_proxy>(*stage_);
    }

    std::unique_ptr<caller> somebody(const std::string& user) {
        return std::make_unique<caller>(std::vector<std::uint16_t>{stage_->gateway_port(1)},
                                        stage_->token(user), 1, 3s);
    }
    struct standstill;
    // Sends one request whose gateway is to die at its n-th write. False: it passed whole.
    bool die_at(std::size_t n, instant when, const shape& wanted);
    void sweep(const shape& wanted);
    [[nodiscard]] findings finish_all();
    void settle();
    void look_behind_logout(visit& whose, caller& who);
    void finish(visit& whose, caller& who);

    test::temporary_folder folder_{"lethe-crash-points-"};
    replicas services_{WITNESS_BINARY, 1};
    std::unique_ptr<test::shop_stage> stage_;
    std::unique_ptr<assassin> file_;
    std::vector<visit> visits_;
    std::vector<std::unique_ptr<caller>> callers_;
    std::size_t deaths_ = 0;
    std::size_t sweeps_ = 0;  // tells their users apart
};

bool CrashPoints::die_at(std::size_t n, instant when, const shape& wanted) {
    const std::string user = std::string(wanted.name) + '-' + std::to_string(sweeps_) + '-' +
                             std::to_string(n) +
                             (when == instant::before ? "-before" : "-answered");
    visit whose;
    whose.user = user;
    auto who = somebody(user);
    if (wanted.has_session) {
        asked_key first{.rule = "hold", .key = "first", .target = target_of("hold")};
        who->insist(first, patience);
        EXPECT_EQ(first.told, knowledge::acknowledged);
        whose.keys.push_back(first);
    }
    asked_key one{.rule = wanted.rule, .key = "point", .target = target_of(wanted.rule)};
    who->use_gateways({stage_->gateway_port(0)});
    file_->arm(n, when);
    const test::http_answer answer = who->send_once(one);
    const bool died = file_->disarm();
    // It may die of a write by the way, such as its housekeeping's, after its answer has left.
    EXPECT_TRUE(died || answer.complete()) << user << ": the gateway lives and does not answer";
    if (died) {
        ++deaths_;
        EXPECT_TRUE(stage_->gateway(0).wait(5s).has_value());
        stage_->start_gateway(0);
    }
    who->use_gateways({stage_->gateway_port(1)});
    whose.keys.push_back(one);
    visits_.push_back(std::move(whose));
    callers_.push_back(std::move(who));
    // The old cookie of a login is good for 10 s.
    if (std::string(wanted.rule) == "login") finish(visits_.back(), *callers_.back());
    return died;
}

void CrashPoints::look_behind_logout(visit& whose, caller& who) {
    whose.logged_out = true;
    const auto shown = who.look(patience);
    ASSERT_TRUE(shown.has_value());
    ++whose.old_cookies_tried;
    if (!shown->empty()) ++whose.revivals;
}

// The retry, by way of the other gateway, and once more to see that it gets the same.
void CrashPoints::finish(visit& whose, caller& who) {
    asked_key& one = whose.keys.back();
    const std::map<std::string, std::string> cookies = who.cookies();
    who.insist(one, patience);
    EXPECT_NE(one.told, knowledge::open) << whose.user;
    if (one.rule == "resend" || one.rule == "reconcile")
        EXPECT_EQ(one.told, knowledge::acknowledged) << whose.user;
    if (one.told == knowledge::acknowledged) who.insist(one, patience);
    if (one.rule == "logout") {
        who.cookies() = cookies;
        whose.cookie_lost = one.told != knowledge::acknowledged;
        if (!whose.cookie_lost) look_behind_logout(whose, who);
        return;
    }
    // Where nobody knows, the new cookie may have been in the answer that was lost.
    const bool gave_cookie = one.rule == "login" || whose.keys.size() == 1;
    whose.cookie_lost = gave_cookie && one.told == knowledge::unknown;
    const auto shown = who.look(patience);
    ASSERT_TRUE(shown.has_value()) << whose.user;
    whose.ledger = shown->ledger;
    whose.owner = shown->owner;
    whose.ledger_read = true;
}

// Dies at each write, until a request passes.
void CrashPoints::sweep(const shape& wanted) {
    const bool is_file = std::string(GetParam()) == "sqlite";
    std::size_t deaths = 0;
    ++sweeps_;
    // Just before the next write is just after this one, where a file is written.
    for (const instant when : {instant::before, instant::answered}) {
        if (is_file && when == instant::answered) continue;
        std::size_t n = 1;
        while (n <= writes_max && die_at(n, when, wanted)) ++n;
        ASSERT_LE(n, writes_max) << wanted.name << ": no request passes";
        deaths += n - 1;
    }
    std::printf("%s: %zu crash points\n", wanted.name, deaths);
    // At least the claim, the change and the outcome.
    EXPECT_GE(deaths, 3U) << wanted.name;
}

findings CrashPoints::finish_all() {
    for (std::size_t i = 0; i < visits_.size(); ++i)
        if (!visits_[i].ledger_read) finish(visits_[i], *callers_[i]);
    return judge(visits_, read_journal(services_.journal()));
}

void CrashPoints::settle() {
    findings found = finish_all();
    // What a gateway asks its store by the way is counted, too: a sweep may step over the outcome.
    for (int more = 0; more < 5 && found.later_attempts == 0; ++more) {
        sweep(shapes[1]);
        found = finish_all();
    }
    EXPECT_TRUE(found.is_good());
    for (const std::string& detail : found.details) ADD_FAILURE() << detail;
    // Some died between the forward and the outcome.
    EXPECT_GT(found.unknown, 0U);
    EXPECT_GT(found.later_attempts, 0U);
    for (const auto& who : callers_) EXPECT_EQ(who->unexpected(), 0U) << who->first_unexpected();
    std::printf("%zu deaths, %zu outcomes acknowledged, %zu unknown, %zu later attempts\n", deaths_,
                found.acknowledged, found.unknown, found.later_attempts);
    if (HasFailure()) {
        stage_->keep_folder();
        std::printf("logs are in %s\n", stage_->folder().c_str());
    }
}

// idempotency.md: "Session patch in the upstream's answer"; sessions.md: "No acknowledged change is
// lost".
TEST_P(CrashPoints, WhereverTheGatewayDiesARequestTakesEffectOnce) {
    for (const shape& wanted : shapes) {
        sweep(wanted);
        ASSERT_FALSE(HasFatalFailure());
    }
    settle();
}

// The first gateway has forwarded a request and then stands still for longer than its lease.
struct CrashPoints::standstill {
    standstill(CrashPoints& in, caller& by, asked_key& what) : in_(in) {
        by.use_gateways({in.stage_->gateway_port(0)});
        sending_ = std::jthread([&by, &what] { static_cast<void>(by.send_once(what)); });
        const bool arrived = test::wait_for(
            [&] {
                for (const entry& one : read_journal(in.services_.journal()))
                    if (one.key == what.key) return true;
                return false;
            },
            10s);
        in.stage_->gateway(0).freeze();
        if (!arrived) throw std::runtime_error("the request does not arrive");
    }
    ~standstill() { end(); }
    standstill(const standstill&) = delete;
    standstill& operator=(const standstill&) = delete;
    // Returns when it has answered.
    void end() {
        in_.stage_->gateway(0).thaw();
        if (sending_.joinable()) sending_.join();
    }

 private:
    CrashPoints& in_;
    std::jthread sending_;
};

// idempotency.md: "Fencing: epoch grows on each grant"; "a paused gateway cannot overwrite".
TEST_P(CrashPoints, AGatewayThatStoodStillOverrulesNoLaterAttempt) {
    visit whose;
    whose.user = "sleeper";
    auto slow = somebody(whose.user);
    auto quick = somebody(whose.user);
    asked_key first{.rule = "hold", .key = "first", .target = target_of("hold")};
    quick->insist(first, patience);
    slow->cookies() = quick->cookies();
    asked_key one{.rule = "resend", .key = "point", .target = target_of("resend") + "?delay=600"};
    asked_key at_first = one;
    {
        standstill still(*this, *slow, at_first);
        quick->insist(one, patience);
        EXPECT_EQ(one.told, knowledge::acknowledged);
        ASSERT_EQ(one.answers.size(), 1U);
        EXPECT_EQ(one.answers[0].attempt, 2U);
        still.end();
    }
    // What the sleeper told its own client, if anything, it did not record.
    for (const told_answer& answer : at_first.answers) {
        EXPECT_TRUE(!answer.recorded || answer.attempt == 2) << "attempt " << answer.attempt;
        one.answers.push_back(answer);
    }
    for (const std::size_t gateway : {0U, 1U}) {
        quick->use_gateways({stage_->gateway_port(gateway)});
        quick->insist(one, patience);
    }
    EXPECT_EQ(one.answers.back().attempt, 2U);
    whose.keys = {first, one};
    visits_.push_back(std::move(whose));
    callers_.push_back(std::move(quick));
    const auto shown = callers_.back()->look(patience);
    ASSERT_TRUE(shown.has_value());
    visits_.back().ledger = shown->ledger;
    visits_.back().ledger_read = true;
    const findings found = judge(visits_, read_journal(services_.journal()));
    for (const std::string& detail : found.details) ADD_FAILURE() << detail;
    EXPECT_EQ(found.later_attempts, 1U);
}

// sessions.md: "Destroy: tombstone for 5 min; late writes fail".
TEST_P(CrashPoints, AGatewayThatStoodStillDuringALogoutRevivesNothing) {
    auto slow = somebody("sleeper");
    auto quick = somebody("sleeper");
    asked_key first{.rule = "hold", .key = "first", .target = target_of("hold")};
    quick->insist(first, patience);
    const std::map<std::string, std::string> cookies = quick->cookies();
    slow->cookies() = cookies;
    asked_key late{.rule = "hold", .key = "late", .target = target_of("hold") + "?delay=200"};
    {
        standstill still(*this, *slow, late);
        asked_key logout{.rule = "logout", .key = "logout", .target = target_of("logout")};
        quick->insist(logout, patience);
        EXPECT_EQ(logout.told, knowledge::acknowledged);
        still.end();
    }
    for (const std::size_t gateway : {0U, 1U}) {
        quick->use_gateways({stage_->gateway_port(gateway)});
        quick->cookies() = cookies;
        const auto shown = quick->look(patience);
        ASSERT_TRUE(shown.has_value());
        EXPECT_TRUE(shown->empty()) << "the session is back";
    }
    // The change that came too late is nowhere, and was not acknowledged as one of this session.
    EXPECT_TRUE(late.answers.empty() || slow->cookies() != cookies);
}

INSTANTIATE_TEST_SUITE_P(Stores, CrashPoints, ::testing::Values("sqlite", "redis", "postgres"),
                         [](const auto& name) { return std::string(name.param); });

}  // namespace
}  // namespace lethe::witness
