#include "stores/load.hpp"

#include "support/on_worker.hpp"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>

namespace lethe::store {
namespace {

using namespace std::chrono_literals;

// One client: what it does next follows from its seed and from what it was answered.
struct client {
    store& to;
    net::worker& on;
    load_options options;
    history& kept;
    steady_time::duration& own_work;
    std::size_t index;
    std::mt19937_64 random;
    std::vector<std::uint64_t> versions;  // by key, as last seen
    std::uint64_t puts = 0;

    std::uint64_t below(std::uint64_t bound) { return random() % bound; }
    event choose(std::size_t key);
    operation to_operation(const event& of);
};

event client::choose(std::size_t key) {
    event out{.key = key};
    const std::uint64_t dice = below(100);
    if (dice < 40) return out;
    out.what = dice < 88 ? event::kind::put : event::kind::erase;
    if (out.what == event::kind::put)
        out.value = options.number << 44 | std::uint64_t{index} << 32 | ++puts;
    if (dice >= 53 && dice < 66) out.expects = event::condition_kind::absent;
    const bool by_version = (dice >= 66 && dice < 88) || dice >= 93;
    if (by_version && versions[key] != 0) {
        out.expects = event::condition_kind::version;
        out.expected = versions[key];
    }
    return out;
}

operation client::to_operation(const event& of) {
    std::string key = key_of(options, of.key);
    expectation expect = anything{};
    if (of.expects == event::condition_kind::absent) expect = absent{};
    if (of.expects == event::condition_kind::version) expect = record_version{of.expected};
    if (of.what == event::kind::read) return get{std::move(key)};
    if (of.what == event::kind::erase) return erase{std::move(key), expect};
    // Most are small, some span several packets.
    const std::size_t most =
        below(10) == 0 ? options.value_bytes_max * 50 : options.value_bytes_max;
    return put{std::move(key), make_value(of.value, below(most)), 24h, expect,
               subject_of(options, below(subjects_of_load))};
}

// What an error says about an operation of the call.
void take_error(client& of, event& one, const error_code& error, bool only_reads) {
    const bool says_nothing_changed = error == condition::timeout ||
                                      error == condition::unavailable ||
                                      error == condition::overloaded;
    one.answered = says_nothing_changed ? event::outcome::not_done : event::outcome::unknown;
    if (one.what == event::kind::put) of.kept.note(one.value, describe(error));
    if (!says_nothing_changed && (error != condition::outcome_unknown || only_reads))
        of.kept.complain("a call ended with " + describe(error) + ": " + to_text(one));
}

void take_answer(client& of, event& one, const answer& got, bool rolled_back) {
    if (got.present) {
        const std::optional<std::uint64_t> number = number_of(got.present->value);
        one.seen = number.value_or(0);
        one.seen_version = got.present->version.number;
        if (!number) of.kept.complain("not what anybody wrote: " + to_text(one));
        of.versions[one.key] = one.seen_version;
    } else if (one.what == event::kind::read || !got.done) {
        of.versions[one.key] = 0;
    }
    one.answered = got.done ? event::outcome::done : event::outcome::refused;
    if (got.done && rolled_back && one.what != event::kind::read) {
        if (one.what == event::kind::put) of.kept.note(one.value, "its transaction was undone");
        one.answered = event::outcome::not_done;
        return;
    }
    if (one.what == event::kind::put && got.done) {
        one.version = got.version.number;
        of.versions[one.key] = one.version;
    }
}

task<> client_call(client& of) {
    // Of different keys: what one call does to one key is one operation.
    const std::uint64_t dice = of.below(10);
    const bool whole = of.options.transactions && dice == 0;
    const std::size_t count = dice < 3 ? std::min<std::size_t>(3, of.options.keys) : 1;
    const std::size_t first = of.below(of.options.keys);
    const steady_time making = of.on.time().steady_now();
    std::vector<event> events;
    std::vector<std::size_t> places;
    std::vector<operation> operations;
    for (std::size_t i = 0; i < count; ++i) {
        events.push_back(of.choose((first + i) % of.options.keys));
        operations.push_back(of.to_operation(events.back()));
    }
    const bool only_reads =
        std::ranges::all_of(events, [](const event& one) { return one.what == event::kind::read; });
    for (const event& one : events) places.push_back(of.kept.began(one));
    const steady_time begin = of.on.time().steady_now();
    of.own_work += begin - making;
    const steady_time::duration others_work = of.own_work;
    const steady_time deadline = begin + of.options.deadline;
    result<std::vector<answer>> got(std::vector<answer>{});
    if (whole)
        got = co_await of.to.transact(std::move(operations), deadline);
    else
        got = co_await of.to.batch(std::move(operations), deadline);
    const steady_time end = of.on.time().steady_now();
    if (end - (of.own_work - others_work) > deadline + of.options.slack)
        of.kept.complain(
            "a call ended " +
            std::to_string(std::chrono::ceil<std::chrono::milliseconds>(end - deadline).count()) +
            " ms after its deadline: " + to_text(events[0]));
    const bool rolled_back = got.has_value() && whole &&
                             !std::ranges::all_of(*got, [](const answer& one) { return one.done; });
    for (std::size_t i = 0; i < count; ++i) {
        if (got.has_error())
            take_error(of, events[i], got.error(), only_reads);
        else
            take_answer(of, events[i], got->at(i), rolled_back);
        of.kept.ended(places[i], events[i]);
    }
    of.own_work += of.on.time().steady_now() - end;
    if (got.has_error()) co_return got.error();
    co_return result<>{};
}

task<> client_run(std::shared_ptr<client> of, const std::atomic<bool>& stopping,
                  std::atomic<std::size_t>& done) {
    const auto pause_max = static_cast<std::uint64_t>(of->options.pause_max.count());
    while (!stopping) {
        const result<> called = co_await client_call(*of);
        if (called.has_value()) ++done;
        // Nothing to be gained from asking a store that is away as fast as it refuses.
        const std::chrono::microseconds pause(called.has_value() ? of->below(pause_max + 1) : 5000);
        const result<> slept =
            co_await of->on.time().sleep_until(of->on.time().steady_now() + pause);
        if (slept.has_error()) break;
    }
    co_return result<>{};
}

std::shared_ptr<client> make_client(store& to, net::worker& on, const load_options& options,
                                    history& kept, steady_time::duration& own_work,
                                    std::size_t index) {
    return std::make_shared<client>(
        client{.to = to,
               .on = on,
               .options = options,
               .kept = kept,
               .own_work = own_work,
               .index = index,
               .random = std::mt19937_64(options.seed * 1'000'003 + options.number * 1009 + index),
               .versions = std::vector<std::uint64_t>(options.keys)});
}

// Both are put, by turns in both orders.
task<> put_pairs(store& to, net::worker& on, load_options options,
                 const std::atomic<bool>& stopping) {
    for (std::uint64_t i = 1; !stopping; ++i) {
        const std::string value = make_value(options.number << 44 | std::uint64_t{0xfff} << 32 | i);
        std::vector<operation> both = {put{options.prefix + "pair.a", value, 24h, anything{}, ""},
                                       put{options.prefix + "pair.b", value, 24h, anything{}, ""}};
        if (i % 2 == 0) std::swap(both[0], both[1]);
        const steady_time begin = on.time().steady_now();
        const auto ended = co_await to.transact(std::move(both), begin + options.deadline);
        const result<> slept =
            co_await on.time().sleep_until(begin + (ended.has_value() ? 2ms : 10ms));
        if (slept.has_error()) break;
    }
    co_return result<>{};
}

task<> look_at_pairs(store& in, net::worker& on, load_options options,
                     const std::atomic<bool>& stopping, history& kept) {
    while (!stopping) {
        const steady_time begin = on.time().steady_now();
        const result<> looked = co_await look_at_pair(in, options, begin + options.deadline, kept);
        const result<> slept =
            co_await on.time().sleep_until(begin + (looked.has_value() ? 2ms : 10ms));
        if (slept.has_error()) break;
    }
    co_return result<>{};
}

}  // namespace

task<> look_at_pair(store& in, const load_options& options, steady_time deadline, history& kept) {
    const result<std::vector<answer>> both = co_await in.transact(
        {get{options.prefix + "pair.a"}, get{options.prefix + "pair.b"}}, deadline);
    if (both.has_error()) co_return both.error();
    const auto number = [&](std::size_t i) {
        const std::optional<record>& there = both->at(i).present;
        return there ? number_of(there->value) : std::optional<std::uint64_t>(0);
    };
    if (!number(0) || number(0) != number(1))
        kept.complain("two records that are always put together are of the puts " +
                      std::to_string(number(0).value_or(0)) + " and " +
                      std::to_string(number(1).value_or(0)));
    co_return result<>{};
}

load::load(store& to, net::worker& on, load_options options, history& kept) {
    for (std::size_t i = 0; i < options.clients; ++i)
        clients_.push_back(test::begin_on_worker(
            on, client_run(make_client(to, on, options, kept, own_work_, i), stopping_, done_)));
    if (!options.transactions) return;
    clients_.push_back(test::begin_on_worker(on, put_pairs(to, on, options, stopping_)));
    clients_.push_back(test::begin_on_worker(on, look_at_pairs(to, on, options, stopping_, kept)));
}

void load::stop() {
    stopping_ = true;
    for (auto& one : clients_) {
        // Each call ends by its deadline; a worker that is stuck in an endless loop never stops.
        if (one.wait_for(60s) != std::future_status::ready) {
            std::cerr << "a call to the store does not end\n";
            std::abort();
        }
        one.get();
    }
    clients_.clear();
}

task<> read_all(store& from, net::worker& on, load_options options, history& kept) {
    steady_time::duration own_work{};
    const std::shared_ptr<client> reader = make_client(from, on, options, kept, own_work, 0);
    for (std::size_t key = 0; key < options.keys; ++key) {
        const steady_time give_up = on.time().steady_now() + 60s;
        while (true) {
            event one{.key = key};
            const std::size_t place = kept.began(one);
            const result<answer> got =
                co_await from.run(get{key_of(options, key)}, on.time().steady_now() + 10s);
            if (got.has_error())
                take_error(*reader, one, got.error(), true);
            else
                take_answer(*reader, one, *got, false);
            kept.ended(place, one);
            if (got.has_value()) break;
            if (on.time().steady_now() > give_up) co_return got.error();
            const result<> slept = co_await on.time().sleep_until(on.time().steady_now() + 20ms);
            if (slept.has_error()) co_return slept;
        }
    }
    co_return result<>{};
}

std::uint64_t seed_of_this_run() {
    static const std::uint64_t seed = [] {
        const char* const wanted = std::getenv("LETHE_SEED");
        const std::uint64_t drawn =
            wanted != nullptr ? std::stoull(wanted) : std::uint64_t{std::random_device{}()};
        std::cout << "seed " << drawn << " (LETHE_SEED=" << drawn << " repeats it)" << std::endl;
        return drawn;
    }();
    return seed;
}

}  // namespace lethe::store
