#include "simulation/store_link.hpp"

#include <algorithm>

namespace lethe::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr microseconds leg_min{50};
constexpr microseconds leg_max{800};

microseconds slow(dice& d) {
    static constexpr milliseconds orders[] = {milliseconds{20}, milliseconds{300}, seconds{3},
                                              seconds{8}};
    return d.between(milliseconds{1}, d.one_of(orders));
}

// For the trace: what is asked of which record.
std::string_view verb_of(const store::operation& one) {
    static constexpr std::string_view verbs[] = {"get", "put", "erase", "touch"};
    return verbs[one.index()];
}
std::uint64_t short_name(const store::operation& one) {
    const std::string& key =
        std::visit([](const auto& o) -> const std::string& { return o.key; }, one);
    return mix(std::hash<std::string_view>{}(key), 0) % 10000;
}

}  // namespace

struct store_link::call {
    call(host& by, store_server& asked, faults& weather) : on(by), to(asked), fails(weather) {}

    host& on;
    store_server& to;
    faults& fails;
    std::uint64_t stream = 0;
    std::uint64_t wait = 0;
    std::uint64_t number = 0;
    unsigned life = 0;
    unsigned reign = 0;
    std::vector<lethe::store::operation> operations;
    std::size_t count = 0;  // of operations that arrive
    bool atomic = false;
    bool reads_only = true;
    mishap what = mishap::none;
    microseconds there{0};
    microseconds back{0};
    std::optional<result<answers>> got;

    // What is said when no answer will come.
    [[nodiscard]] error_code lost() const {
        if (reads_only) return LETHE_ERR(lethe::store::errc::timeout);
        return LETHE_ERR(lethe::store::errc::outcome_unknown);
    }
};

store_link::store_link(host& on, store_server& to, faults& weather, link_options options)
    : host_(on),
      server_(to),
      faults_(weather),
      options_(options),
      stream_(mix(mix(0x6c696e6b, on.index() * 4 + to.index()), on.life())) {}

task<store_link::answers> store_link::send(std::vector<lethe::store::operation> operations,
                                           steady_time deadline, bool atomic) {
    if (host_.wall().steady_now() >= deadline) co_return LETHE_ERR(lethe::store::errc::timeout);
    const call_ptr made = begin(std::move(operations), deadline, atomic);
    co_await host_.inside().wait(made->wait);
    co_return *std::move(made->got);
}

store_link::call_ptr store_link::begin(std::vector<lethe::store::operation> operations,
                                       steady_time deadline, bool atomic) {
    auto made = std::make_shared<call>(host_, server_, faults_);
    made->stream = stream_;
    made->wait = host_.inside().next_wait();
    made->number = ++sent_;
    made->life = host_.life();
    made->reign = server_.reign();
    made->operations = std::move(operations);
    made->count = made->operations.size();
    made->atomic = atomic;
    made->reads_only =
        std::all_of(made->operations.begin(), made->operations.end(),
                    [](const auto& one) { return std::holds_alternative<lethe::store::get>(one); });
    host_.deliver_at(to_moment(deadline), [made] { end(made, made->lost()); });

    dice d = faults_.dice_for(stream_, made->number);
    made->there = d.between(leg_min, leg_max);
    made->back = d.between(leg_min, leg_max);
    made->what = faults_.of_message(stream_, made->number, options_.mishaps);
    host_.time().note(
        "store.ask",
        {{"gateway", host_.index()},
         {"life", made->life},
         {"store", server_.index()},
         {"call", made->number},
         {"operations", made->count},
         {"record", short_name(made->operations.front())}},
        made->what == mishap::none ? verb_of(made->operations.front()) : name_of(made->what));
    depart(made, d);
    return made;
}

void store_link::depart(const call_ptr& made, dice& d) {
    schedule& time = made->on.time();
    const moment soon = time.now() + made->there + made->back;
    const bool hears_soon = d.chance(500);  // of a loss: the connection is reset
    switch (made->what) {
        case mishap::refused:
            made->on.deliver_at(soon,
                                [made] { end(made, LETHE_ERR(lethe::store::errc::unavailable)); });
            return;
        case mishap::request_lost:
            if (hears_soon) cut(made, soon);
            return;
        case mishap::cut: made->count = d.below(made->operations.size()); break;
        case mishap::slow_request: made->there += slow(d); break;
        case mishap::slow_answer: made->back += slow(d); break;
        case mishap::dies_sending:
            made->on.die_soon();
            if (d.chance(500)) return;
            break;
        case mishap::pauses_sending:
            made->on.pause_soon(d.between(seconds{1}, seconds{90}));
            if (d.chance(500)) {  // it leaves when the process goes on
                time.after(microseconds{1}, [made] {
                    made->on.time().at(made->on.held_until() + made->there,
                                       [made] { arrive(made); });
                });
                return;
            }
            break;
        default: break;
    }
    if (!made->to.up() && d.chance(700)) {
        made->on.deliver_at(soon,
                            [made] { end(made, LETHE_ERR(lethe::store::errc::unavailable)); });
        return;
    }
    if (made->what == mishap::answer_lost || made->what == mishap::cut)
        if (hears_soon) cut(made, soon);
    time.after(made->there, [made] { arrive(made); });
}

void store_link::arrive(const call_ptr& made) {
    if (!made->to.up() || made->reign < made->to.open_since()) {
        cut(made, made->on.time().now() + made->back);
        return;
    }
    // A transaction that was cut short is none.
    if (made->atomic && made->count < made->operations.size()) return;
    answers got = made->atomic ? made->to.transact(made->operations)
                               : made->to.batch(made->operations, made->count);
    const auto done =
        std::count_if(got.begin(), got.end(), [](const auto& one) { return one.done; });
    made->on.time().note("store.done", {{"gateway", made->on.index()},
                                        {"life", made->life},
                                        {"store", made->to.index()},
                                        {"call", made->number},
                                        {"operations", static_cast<std::uint64_t>(done)}});
    dice d = made->fails.dice_for(made->stream ^ 1, made->number);
    switch (made->what) {
        case mishap::cut:
        case mishap::answer_lost: return;
        case mishap::dies_waiting:
            if (made->on.life() == made->life) made->on.kill();
            return;
        case mishap::pauses_waiting:
            if (made->on.life() == made->life) made->on.pause(d.between(seconds{1}, seconds{90}));
            break;
        default: break;
    }
    const unsigned reign = made->to.reign();
    made->on.time().after(made->back, [made, reign, got = std::move(got)]() mutable {
        // A store that went away meanwhile took its answers along.
        if (made->to.reign() != reign) {
            cut(made, made->on.time().now());
            return;
        }
        made->on.deliver(made->life, [made, got] { end(made, got); });
    });
}

void store_link::cut(const call_ptr& made, moment when) {
    made->on.time().at(
        when, [made] { made->on.deliver(made->life, [made] { end(made, made->lost()); }); });
}

void store_link::end(const call_ptr& made, const result<answers>& how) {
    if (made->got) return;
    made->on.time().note("store.answer",
                         {{"gateway", made->on.index()},
                          {"life", made->life},
                          {"store", made->to.index()},
                          {"call", made->number},
                          {"failed", how.has_error() ? 1U : 0U}},
                         how.has_error() ? how.error().message() : "");
    made->got.emplace(how);
    made->on.inside().wake(made->wait);
}

task<lethe::store::subject_page> store_link::list_subject(std::string, std::string, std::string,
                                                          std::size_t, steady_time) {
    co_return LETHE_ERR(lethe::store::errc::unavailable);  // nothing here asks for it
}

task<> store_link::ping(steady_time) {
    co_return result<>{};
}

}  // namespace lethe::simulation
