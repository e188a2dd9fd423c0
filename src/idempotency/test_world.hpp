// What the tests of this folder share: one store that several gateways see, a clock that moves only
// when nothing else can, a scripted service, faults at any step of the store.
#pragma once

#include "base/error.hpp"
#include "http/errors.hpp"
#include "http/filter.hpp"
#include "idempotency/engine.hpp"
#include "idempotency/filter.hpp"
#include "idempotency/metrics.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lethe::idempotency::test {

namespace asio = boost::asio;

inline asio::awaitable<void> yield() {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
}

// Never goes on; ends when its loop dies, as with a process that dies.
inline asio::awaitable<void> hang() {
    asio::steady_timer forever(co_await asio::this_coro::executor,
                               asio::steady_timer::time_point::max());
    boost::system::error_code ignored;
    co_await forever.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

// Time that jumps to the next sleeper when all else has come to rest.
class world_clock final : public clock {
 public:
    system_time system_now() const override { return system_; }
    steady_time steady_now() const override { return steady_; }

    task<> sleep_until(steady_time until) override {
        if (stopping_) co_return LETHE_ERR(http::errc::cancelled);
        if (until <= steady_) {
            co_await yield();
            co_return result<>{};
        }
        auto timer = std::make_shared<asio::steady_timer>(co_await asio::this_coro::executor,
                                                          asio::steady_timer::time_point::max());
        sleepers_.emplace(until, timer);
        boost::system::error_code ignored;
        co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        if (stopping_) co_return LETHE_ERR(http::errc::cancelled);
        co_return result<>{};
    }

    // Every sleep answers cancelled at once, as on a worker that stops.
    void stop() {
        stopping_ = true;
        for (const auto& [until, one] : sleepers_)
            if (const auto timer = one.lock()) timer->cancel();
        sleepers_.clear();
    }

    void advance(std::chrono::milliseconds by) {
        system_ += by;
        steady_ += by;
    }
    // False: nobody sleeps.
    [[nodiscard]] bool wake_next() {
        std::erase_if(sleepers_, [](const auto& one) { return one.second.expired(); });
        const auto next = sleepers_.begin();
        if (next == sleepers_.end()) return false;
        if (next->first > steady_)
            advance(std::chrono::ceil<std::chrono::milliseconds>(next->first - steady_));
        while (!sleepers_.empty() && sleepers_.begin()->first <= steady_) {
            if (const auto timer = sleepers_.begin()->second.lock()) timer->cancel();
            sleepers_.erase(sleepers_.begin());
        }
        return true;
    }

 private:
    bool stopping_ = false;
    system_time system_{std::chrono::milliseconds{1'700'000'000'000}};
    steady_time steady_{std::chrono::hours{1}};
    // Weak: a sleeper may die with its loop.
    std::multimap<steady_time, std::weak_ptr<asio::steady_timer>> sleepers_;
};

enum class fault : std::uint8_t {
    none,
    unavailable,  // not done, and says so
    lost_before,  // not done, outcome unknown
    lost_after,   // done, outcome unknown
    dies_before,  // the process ends before the step
    dies_after,   // … after the step was done, before its answer is seen
};

// The records that all gateways see.
struct shared_records {
    std::map<std::string, store::record> by_key;
    std::uint64_t versions = 0;
};

// A faithful little store: every batch is one step, at which the wanted fault happens.
class faulty_store final : public store::store {
 public:
    faulty_store(shared_records& records, clock& time) : records_(records), clock_(time) {}

    // The n-th step from now, counted from 0; later steps answer `afterwards`.
    void fail_at(int step, fault what, fault afterwards = fault::none) {
        fail_in_ = step;
        fault_ = what;
        afterwards_ = afterwards;
    }
    void heal() { fail_at(-1, fault::none); }
    [[nodiscard]] int steps() const { return steps_; }

    lethe::store::engine_promises promises() const noexcept override { return {}; }

    task<std::vector<lethe::store::answer>> batch(std::vector<lethe::store::operation> operations,
                                                  steady_time) override {
        ++steps_;
        fault now = fault::none;
        if (fail_in_ == 0)
            now = fault_;
        else if (fail_in_ < 0)
            now = afterwards_;
        if (fail_in_ >= 0 && fail_in_-- == 0 && afterwards_ == fault::none) fault_ = fault::none;
        co_await yield();
        if (now == fault::unavailable) co_return LETHE_ERR(lethe::store::errc::unavailable);
        if (now == fault::lost_before) co_return LETHE_ERR(lethe::store::errc::outcome_unknown);
        if (now == fault::dies_before) co_await hang();
        std::vector<lethe::store::answer> answers;
        for (auto& one : operations) answers.push_back(run_one(one));
        if (now == fault::dies_after) co_await hang();
        co_await yield();
        if (now == fault::lost_after) co_return LETHE_ERR(lethe::store::errc::outcome_unknown);
        co_return answers;
    }
    task<std::vector<lethe::store::answer>> transact(std::vector<lethe::store::operation>,
                                                     steady_time) override {
        co_return LETHE_ERR(lethe::store::errc::unavailable);
    }
    task<lethe::store::subject_page> list_subject(std::string, std::string, std::string,
                                                  std::size_t, steady_time) override {
        co_return LETHE_ERR(lethe::store::errc::unavailable);
    }
    task<> ping(steady_time) override { co_return result<>{}; }

 private:
    lethe::store::answer run_one(lethe::store::operation& one) {
        lethe::store::answer out;
        if (const auto* get = std::get_if<lethe::store::get>(&one)) {
            out.done = true;
            out.present = find(get->key);
        } else if (auto* put = std::get_if<lethe::store::put>(&one)) {
            LETHE_ASSERT(put->ttl.count() > 0);
            out.present = find(put->key);
            out.done = holds(put->expect, out.present);
            if (!out.done) return out;
            out.present.reset();
            out.version = {++records_.versions};
            records_.by_key[put->key] = {put->value, out.version, clock_.system_now() + put->ttl,
                                         put->subject};
        } else if (const auto* gone = std::get_if<lethe::store::erase>(&one)) {
            out.present = find(gone->key);
            out.done = out.present && holds(gone->expect, out.present);
            if (out.done) records_.by_key.erase(gone->key);
        } else {
            LETHE_ASSERT(false);  // this folder asks for nothing else
        }
        return out;
    }
    std::optional<lethe::store::record> find(const std::string& key) {
        const auto at = records_.by_key.find(key);
        if (at == records_.by_key.end() || at->second.expires <= clock_.system_now()) return {};
        return at->second;
    }
    static bool holds(const lethe::store::expectation& expect,
                      const std::optional<lethe::store::record>& present) {
        if (std::holds_alternative<lethe::store::absent>(expect)) return !present;
        if (const auto* version = std::get_if<lethe::store::record_version>(&expect))
            return present && present->version == *version;
        return true;
    }

    shared_records& records_;
    clock& clock_;
    int fail_in_ = -1;
    fault fault_ = fault::none;
    fault afterwards_ = fault::none;
    int steps_ = 0;
};

// A body that comes in pieces, of unknown length unless told, and may break off.
class piecewise_body final : public http::body_source {
 public:
    piecewise_body(std::vector<std::string> pieces, bool breaks_off,
                   std::optional<std::uint64_t> length = {})
        : pieces_(std::move(pieces)), breaks_off_(breaks_off), length_(length) {}
    task<std::string_view> read() override {
        co_await yield();
        if (next_ < pieces_.size()) co_return std::string_view(pieces_[next_++]);
        if (breaks_off_) co_return LETHE_ERR(store::errc::unavailable);
        co_return std::string_view{};
    }
    std::optional<std::uint64_t> length() const noexcept override { return length_; }
    void release() noexcept override { delete this; }

 private:
    std::vector<std::string> pieces_;
    bool breaks_off_;
    std::optional<std::uint64_t> length_;
    std::size_t next_ = 0;
};

using header_lines = std::vector<std::pair<std::string, std::string>>;

// What the service is to do next, and what it has done.
struct service_script {
    int status = 201;
    header_lines header = {{"Content-Type", "application/json"}, {"Location", "/orders/1"}};
    std::string body = R"({"order":1})";
    std::function<http::body_ptr()> make_body;  // instead of `body`
    http::upstream_outcome outcome = http::upstream_outcome::answered;
    std::chrono::milliseconds takes{0};
    bool dies = false;                // the gateway ends while the service works
    std::optional<error_code> error;  // the way inside ends without an answer

    int calls = 0;
    std::vector<std::uint64_t> attempts;
    std::string key_seen;
    int status_of_get = 0;  // instead of `status`, for GET
    std::string method_seen;
    std::string path_seen;
    std::string query_seen;
    bool survives_seen = false;  // x.survives_client when the service was asked
    std::string body_seen;
};

class scripted_service final : public http::handler {
 public:
    scripted_service(service_script& script, clock& time) : script_(script), clock_(time) {}
    task<> handle(http::exchange& x) override {
        const http::upstream_outcome outcome = script_.outcome;
        if (outcome != http::upstream_outcome::not_sent) {
            ++script_.calls;
            script_.attempts.push_back(x.attempt);
        }
        script_.survives_seen = x.survives_client;
        script_.method_seen = x.request.method_text;
        script_.path_seen = x.request.path;
        script_.query_seen = x.request.query;
        script_.key_seen = x.request.header.first("Idempotency-Key").value_or("");
        const auto body = co_await http::read_whole(x.request_body.get(), 1 << 24);
        script_.body_seen = body.value();
        if (script_.takes.count() > 0) {
            const auto slept = co_await clock_.sleep_until(clock_.steady_now() + script_.takes);
            if (slept.has_error()) co_return slept;
        }
        if (script_.dies) co_await hang();
        x.outcome = outcome;
        if (script_.error) co_return *script_.error;
        const bool is_get = x.request.method == http::method::get;
        x.response.status =
            is_get && script_.status_of_get != 0 ? script_.status_of_get : script_.status;
        for (const auto& [name, value] : script_.header) x.response.header.add(name, value);
        x.response_body =
            script_.make_body ? script_.make_body() : http::make_owned_body(script_.body);
        co_return result<>{};
    }

 private:
    service_script& script_;
    clock& clock_;
};

class loop_spawner final : public spawner {
 public:
    explicit loop_spawner(asio::io_context& loop) : loop_(loop) {}
    void spawn(task<> work) override {
        if (!closed) asio::co_spawn(loop_, run(std::move(work)), asio::detached);
    }
    bool closed = false;

 private:
    static asio::awaitable<void> run(task<> work) {
        [[maybe_unused]] const result<> done = co_await std::move(work);
    }
    asio::io_context& loop_;
};

struct request {
    std::string method = "POST";
    std::string path = "/orders";
    std::string query = {};
    header_lines header = {{"Idempotency-Key", "\"12345-abcde\""},
                           {"Content-Type", "application/json"}};
    std::string body = R"({"sku":1})";
    std::optional<http::principal> principal = http::principal{"https://id.example", "u1", "{}"};
    std::optional<http::session_reference> session = {};
    std::uint64_t replaces = 0;      // the epoch of the outcome that is to be replaced
    bool leave_body_unread = false;  // the client leaves in the middle of the answer
};

struct reply {
    std::optional<error_code> error;
    int status = 0;
    header_lines header;
    std::string body;
    bool body_broke_off = false;
    bool replayed = false;
    bool survives_client = false;
    std::string operation_id;
    std::string problem;
    std::uint64_t outcome_epoch = 0;
    bool nothing_came = false;  // of the attempt to replace an outcome

    [[nodiscard]] std::string first(std::string_view name) const;
    [[nodiscard]] bool has(std::string_view name) const;
};

class world;

// One process: its loop, its store connection, its engine and its filter.
class gateway {
 public:
    gateway(world& in, route_options options);
    gateway(world& in, route_options options, http::spool& large);
    ~gateway();

    reply send(request what);
    std::vector<reply> send_at_once(const std::vector<request>& what);
    // Starts a request; it may never end.
    void start(request what, reply& into);
    // As kill -9: whatever it was doing ends without another step.
    void kill();
    // Runs until nothing is left to do, sleeping included.
    void run();
    // Runs only what needs no time to pass.
    void run_now();
    // One turn of the loop; false when nothing is ready.
    bool step();

    faulty_store store;

 private:
    asio::awaitable<void> serve(request what, reply& into);

    world& world_;
    std::unique_ptr<random_source> random_;

 public:
    engine rules;
    lethe::metrics::registry registry;
    metrics counts{registry};

 private:
    scripted_service service_;
    std::unique_ptr<asio::io_context> loop_;
    std::unique_ptr<loop_spawner> spawner_;
    std::unique_ptr<http::chain> chain_;
};

class world {
 public:
    world_clock time;
    shared_records records;
    service_script service;
    std::uint64_t seed = 1;  // of the next gateway
    http::spool large{{}};
};

// Runs all until nothing is left to do, their turns shuffled by the seed.
void run_together(world& in, const std::vector<gateway*>& gateways, std::uint64_t seed);

}  // namespace lethe::idempotency::test
