// Drives one store as hard as it goes and tells what it took, as one line of JSON:
//
//     lethe_store_drive --url URL [--operations claim-finish|get|put|transact] [--concurrency 64]
//                       [--seconds 5] [--workers 1] [--value-bytes 200] [--records 10000]
//
// claim-finish is what an idempotent request costs: a put of a new key, then a put over it. CPU is
// that of this process alone, the load's own part (a few hundred nanoseconds) included. For an
// engine that commits, `commits` says how many there were.
#include "net/worker.hpp"
#include "store/open.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace lethe;
using namespace std::chrono_literals;

struct settings {
    std::string url;
    std::string operations = "claim-finish";
    std::size_t concurrency = 64;
    std::size_t seconds = 5;
    std::size_t workers = 1;
    std::size_t value_bytes = 200;
    std::size_t records = 10'000;
};

// What one worker did.
struct tally {
    std::vector<std::uint32_t> micros;
    std::uint64_t failed = 0;
    std::uint64_t conflicts = 0;
};

struct drive {
    const settings& with;
    store::store& to;
    net::worker& on;
    tally& seen;
    std::string prefix;
    std::string value;
    std::uint64_t drawn = 0;
    std::size_t running = 0;
    std::promise<void> done;
    steady_time until;

    [[nodiscard]] std::string some_key() {
        return "bench:" + std::to_string(on.cheap_random() % with.records);
    }
    [[nodiscard]] std::string new_key() { return prefix + std::to_string(++drawn); }
};

constexpr std::chrono::hours ttl{1};

task<> claim_and_finish(drive& in, steady_time deadline) {
    const std::string key = in.new_key();
    const result<store::answer> claim =
        co_await in.to.run(store::put{key, "claim", ttl, store::absent{}, ""}, deadline);
    if (claim.has_error()) co_return claim.error();
    const result<store::answer> finish =
        co_await in.to.run(store::put{key, in.value, ttl, claim->version, ""}, deadline);
    if (finish.has_error()) co_return finish.error();
    if (!claim->done || !finish->done) ++in.seen.conflicts;
    co_return result<>{};
}

task<> move_two(drive& in, steady_time deadline) {
    std::vector<store::operation> both = {
        store::put{in.some_key(), in.value, ttl, store::anything{}, ""},
        store::put{in.new_key(), in.value, ttl, store::absent{}, ""}};
    const result<std::vector<store::answer>> got =
        co_await in.to.transact(std::move(both), deadline);
    if (got.has_error()) co_return got.error();
    co_return result<>{};
}

task<> one_operation(drive& in, steady_time deadline) {
    const std::string& what = in.with.operations;
    if (what == "claim-finish") {
        const result<> done = co_await claim_and_finish(in, deadline);
        co_return done;
    }
    if (what == "transact") {
        const result<> done = co_await move_two(in, deadline);
        co_return done;
    }
    store::operation one = store::get{in.some_key()};
    if (what == "put") one = store::put{in.some_key(), in.value, ttl, store::anything{}, ""};
    const result<store::answer> got = co_await in.to.run(std::move(one), deadline);
    if (got.has_error()) co_return got.error();
    co_return result<>{};
}

task<> go_on(drive& in) {
    while (true) {
        const steady_time begun = in.on.time().steady_now();
        if (begun >= in.until) break;
        const result<> done = co_await one_operation(in, begun + 30s);
        const auto took = in.on.time().steady_now() - begun;
        in.seen.failed += done.has_error();
        in.seen.micros.push_back(static_cast<std::uint32_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
    }
    if (--in.running == 0) in.done.set_value();
    co_return result<>{};
}

task<> fill(store::store& to, const settings& with, lethe::clock& time, std::promise<bool>& done) {
    const std::string value(with.value_bytes, 'v');
    for (std::size_t i = 0; i < with.records;) {
        std::vector<store::operation> some;
        for (; some.size() < 500 && i < with.records; ++i)
            some.push_back(
                store::put{"bench:" + std::to_string(i), value, ttl, store::anything{}, ""});
        const result<std::vector<store::answer>> stored =
            co_await to.batch(std::move(some), time.steady_now() + 30s);
        if (stored.has_error()) {
            std::fprintf(stderr, "cannot fill the store: %s\n", describe(stored.error()).c_str());
            done.set_value(false);
            co_return stored.error();
        }
    }
    done.set_value(true);
    co_return result<>{};
}

double cpu_seconds() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// The sum over all labels of a metric; 0 where the engine does not have it.
double metric(const store::engine& of, const std::string& name) {
    const std::string text = metrics::to_prometheus(of.metrics());
    double sum = 0;
    for (std::size_t at = 0; (at = text.find("\n" + name + "{", at)) != std::string::npos;) {
        const std::size_t end = text.find('\n', ++at);
        sum += std::strtod(text.c_str() + text.rfind(' ', end), nullptr);
    }
    return sum;
}

bool parse(int count, char** words, settings& out) {
    for (int i = 1; i + 1 < count; i += 2) {
        const std::string_view name = words[i];
        const char* const value = words[i + 1];
        const auto number = [&] {
            return std::max<std::size_t>(std::strtoull(value, nullptr, 10), 1);
        };
        if (name == "--url")
            out.url = value;
        else if (name == "--operations")
            out.operations = value;
        else if (name == "--concurrency")
            out.concurrency = number();
        else if (name == "--seconds")
            out.seconds = number();
        else if (name == "--workers")
            out.workers = number();
        else if (name == "--value-bytes")
            out.value_bytes = number();
        else if (name == "--records")
            out.records = number();
        else
            return false;
    }
    const bool known = out.operations == "claim-finish" || out.operations == "get" ||
                       out.operations == "put" || out.operations == "transact";
    return count % 2 == 1 && !out.url.empty() && known;
}

struct driven_worker {
    explicit driven_worker(unsigned index) : on(index) {}
    net::worker on;
    std::unique_ptr<store::store> to;
    tally seen;
    std::unique_ptr<drive> driving;
};

struct measured {
    double seconds = 0;
    double cpu = 0;
    double commits = 0;
};

void print(const settings& with, tally& all, const measured& took) {
    std::ranges::sort(all.micros);
    const double count = static_cast<double>(all.micros.size());
    const auto at = [&](double part) -> unsigned {
        if (all.micros.empty()) return 0;
        return all.micros[static_cast<std::size_t>(part * (count - 1))];
    };
    std::printf(
        "{\"operations\":\"%s\",\"concurrency\":%zu,\"workers\":%zu,\"seconds\":%.2f,"
        "\"per_second\":%.0f,\"commits_per_second\":%.0f,\"cpu_us\":%.2f,\"p50_us\":%u,"
        "\"p99_us\":%u,\"failed\":%llu,\"conflicts\":%llu}\n",
        with.operations.c_str(), with.concurrency, with.workers, took.seconds, count / took.seconds,
        took.commits / took.seconds, count > 0 ? took.cpu * 1e6 / count : 0.0, at(0.5), at(0.99),
        static_cast<unsigned long long>(all.failed),
        static_cast<unsigned long long>(all.conflicts));
}

// All workers at once, until the time is over.
measured drive_all(const settings& with, const store::engine& engine,
                   std::vector<std::unique_ptr<driven_worker>>& workers) {
    lethe::clock& time = workers.front()->on.time();
    const double commits_before = metric(engine, "lethe_store_commits_total");
    const double cpu_before = cpu_seconds();
    const steady_time begun = time.steady_now();
    const std::string run_name = std::to_string(begun.time_since_epoch().count());
    for (auto& one : workers)
        one->driving.reset(
            new drive{.with = with,
                      .to = *one->to,
                      .on = one->on,
                      .seen = one->seen,
                      .prefix = "run:" + run_name + ":" + std::to_string(one->on.index()) + ":",
                      .value = std::string(with.value_bytes, 'v'),
                      .running = std::max<std::size_t>(with.concurrency / with.workers, 1),
                      .done = {},
                      .until = begun + std::chrono::seconds(with.seconds)});
    for (auto& one : workers) {
        drive& driving = *one->driving;
        driving.on.post([&driving] {
            for (std::size_t i = driving.running; i > 0; --i) driving.on.spawn(go_on(driving));
        });
    }
    for (auto& one : workers) one->driving->done.get_future().wait();
    return {.seconds = std::chrono::duration<double>(time.steady_now() - begun).count(),
            .cpu = cpu_seconds() - cpu_before,
            .commits = metric(engine, "lethe_store_commits_total") - commits_before};
}

int run(const settings& with) {
    std::string why;
    auto opened = store::open(with.url, {}, why);
    if (opened.has_error()) {
        std::fprintf(stderr, "%s\n", why.c_str());
        return 2;
    }
    store::engine& engine = **opened;
    std::vector<std::unique_ptr<driven_worker>> workers;
    for (unsigned i = 0; i < with.workers; ++i) {
        workers.push_back(std::make_unique<driven_worker>(i));
        workers.back()->to = engine.make_store(workers.back()->on);
        workers.back()->on.start();
    }
    std::promise<bool> filled;
    driven_worker& first = *workers.front();
    first.on.post([&] { first.on.spawn(fill(*first.to, with, first.on.time(), filled)); });
    const bool full = filled.get_future().get();
    const measured took = full ? drive_all(with, engine, workers) : measured{};
    tally all;
    for (auto& one : workers) {
        one->on.stop();
        all.micros.insert(all.micros.end(), one->seen.micros.begin(), one->seen.micros.end());
        all.failed += one->seen.failed;
        all.conflicts += one->seen.conflicts;
    }
    engine.close();
    for (auto& one : workers) one->to.reset();
    if (!full) return 1;
    print(with, all, took);
    return all.failed == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
    settings with;
    if (!parse(count, words, with)) {
        std::fprintf(stderr,
                     "usage: lethe_store_drive --url URL [--operations claim-finish|get|put|"
                     "transact]\n    [--concurrency N] [--seconds N] [--workers N] "
                     "[--value-bytes N] [--records N]\n");
        return 2;
    }
    return run(with);
}
