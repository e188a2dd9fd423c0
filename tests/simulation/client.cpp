#include "simulation/client.hpp"

#include <algorithm>

namespace lethe::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr microseconds leg_min{100};
constexpr microseconds leg_max{2000};
constexpr std::size_t looked_at_last = 6;

gateway& gateway_at(host& on) {
    return static_cast<gateway&>(*on.running());
}

}  // namespace

client::client(client_world& in, unsigned index, unsigned requests)
    : world_(in), index_(index), dice_(mix(mix(in.seed, 0x636c69), index)) {
    // Two clients may be one user at two devices.
    if (dice_.chance(600)) principal_ = "u" + std::to_string(dice_.below(in.about.clients));
    tabs_.resize(dice_.chance(700) || in.about.wizards ? 2 : 1);
    for (std::size_t i = 0; i < tabs_.size(); ++i) {
        tabs_[i].seed = mix(mix(in.seed, 0x746162), index * 2 + i);
        tabs_[i].left = requests / static_cast<unsigned>(tabs_.size());
        if (i == 0) tabs_[i].left += requests % static_cast<unsigned>(tabs_.size());
    }
}

void client::start() {
    for (tab& one : tabs_)
        world_.time.after(dice_.between(milliseconds{0}, seconds{1}), [this, &one] { next(one); });
}

bool client::done() const noexcept {
    return std::all_of(tabs_.begin(), tabs_.end(), [](const tab& one) { return one.done; });
}

deed client::draw_deed(dice& d) const {
    if (world_.about.wizards && d.chance(600)) return d.chance(500) ? deed::step : deed::replace;
    static constexpr deed usual[] = {deed::read, deed::order, deed::add,  deed::add,    deed::add,
                                     deed::add,  deed::step,  deed::step, deed::replace};
    static constexpr deed rare[] = {deed::login, deed::rotate, deed::rotate, deed::logout,
                                    deed::logout};
    return d.chance(800) ? d.one_of(usual) : d.one_of(rare);
}

// The same few keys at all clients, whose callers must not meet.
std::string client::draw_key(tab& in) {
    const bool used_before = in.begun > 1 && in.random.chance(30);
    const std::uint64_t number = used_before ? in.random.below(in.begun) + 1 : in.begun;
    std::string key = "key-" + std::to_string(number);
    if (&in != &tabs_.front()) key += "-b";
    if (!principal_.empty() && in.random.chance(600)) key += "-" + std::to_string(index_);
    return key;
}

void client::next(tab& in) {
    if (last_look_ && !last_.empty()) {
        const request_facts& again = *last_.back();
        last_.pop_back();
        begin(in, again, 1);
        return;
    }
    if (in.left == 0 || last_look_) {
        in.done = true;
        return;
    }
    --in.left;
    in.random = dice(mix(in.seed, ++in.begun));
    request_facts& made = world_.requests.emplace_back();
    made.number = world_.requests.size();
    made.client = index_;
    made.what = draw_deed(in.random);
    made.principal = principal_;
    // A key needs somebody whose it is.
    const bool nobody = principal_.empty() && jar_.empty();
    if (made.what != deed::read && in.random.chance(nobody ? 100 : 700)) {
        made.key = draw_key(in);
        keyed_.push_back(&made);
    }
    // Who sends without a key again does it twice, knowingly.
    begin(in, made, made.key.empty() ? 1 : 1 + static_cast<unsigned>(in.random.below(5)));
}

void client::begin(tab& in, const request_facts& what, unsigned attempts_max) {
    in.request = &what;
    in.attempts = 0;
    in.attempts_max = attempts_max;
    send(in);
}

void client::send(tab& in) {
    ++in.attempts;
    ++in.round;
    in.open.clear();
    const std::uint64_t name = mix(mix(in.seed, in.begun), in.attempts);
    deliver(in, static_cast<unsigned>(in.random.below(world_.gateways.size())), name);
    dice d = world_.weather.dice_for(0x74776963, name);
    if (!in.request->key.empty() && d.chance(world_.about.client_mishaps) &&
        world_.weather.happens(static_cast<std::uint32_t>(d.next())))
        deliver(in, static_cast<unsigned>(d.below(world_.gateways.size())), name + 1);
    static constexpr milliseconds patience[] = {milliseconds{500}, seconds{3}, seconds{30},
                                                seconds{30}};
    const milliseconds waits = last_look_ ? milliseconds{seconds{60}} : in.random.one_of(patience);
    world_.time.after(waits, [this, &in, round = in.round] { time_out(in, round); });
}

void client::deliver(tab& in, unsigned gateway, std::uint64_t name) {
    delivery& made = world_.deliveries.emplace_back();
    made.number = world_.deliveries.size();
    made.name = name;
    made.request = in.request;
    made.gateway = gateway;
    made.cookie = jar_;
    in.open.push_back(&made);
    world_.time.note("client.sends",
                     {{"client", index_},
                      {"request", in.request->number},
                      {"delivery", made.number},
                      {"gateway", gateway},
                      {"deed", std::uint64_t(in.request->what)}},
                     in.request->key);
    world_.time.after(in.random.between(leg_min, leg_max), [this, &made] {
        host& to = *world_.gateways[made.gateway];
        if (to.running() == nullptr || to.stopping()) {
            hear(made, reply::none());
            return;
        }
        to.deliver(to.life(), [&to, &made] {
            if (!made.over) gateway_at(to).accept(made);
        });
    });
}

void client::answer(delivery& what, reply got) {
    dice d = world_.weather.dice_for(0x636c616e, what.name);
    microseconds takes = d.between(leg_min, leg_max);
    if (d.chance(world_.about.client_mishaps) &&
        world_.weather.happens(static_cast<std::uint32_t>(d.next()))) {
        if (d.chance(700))
            got = reply::none();
        else
            takes += d.between(milliseconds{1}, seconds{5});
    }
    world_.time.after(takes, [this, &what, got = std::move(got)] { hear(what, got); });
}

void client::gateway_died(unsigned gateway) {
    for (tab& in : tabs_)
        for (delivery* const one : in.open)
            if (one->gateway == gateway && one->reached && !one->over)
                world_.time.after(leg_max, [this, one] { hear(*one, reply::none()); });
}

void client::hear(delivery& what, const reply& got) {
    if (what.over) return;
    what.over = true;
    world_.time.note("client.hears",
                     {{"client", index_},
                      {"delivery", what.number},
                      {"status", got.reset ? 0U : std::uint64_t(got.status)},
                      {"execution", got.execution}},
                     got.problem);
    // A head that came is obeyed, though the body broke off.
    if (got.cookie) jar_ = *got.cookie;
    for (tab& in : tabs_) {
        if (std::find(in.open.begin(), in.open.end(), &what) == in.open.end()) continue;
        const bool others = std::any_of(in.open.begin(), in.open.end(),
                                        [](const delivery* one) { return !one->over; });
        // Of two, the first answer counts; a failure only when both failed.
        if (got.reset && others) return;
        decide(in, got);
        return;
    }
}

void client::time_out(tab& in, std::uint64_t round) {
    if (in.round != round) return;
    for (delivery* const one : in.open) {
        if (one->over) continue;
        one->over = true;
        host& at = *world_.gateways[one->gateway];
        world_.time.after(leg_min, [&at, one] {
            if (at.running() == nullptr) return;
            at.deliver(at.life(), [&at, one] { gateway_at(at).client_left(*one); });
        });
    }
    decide(in, reply::none());
}

// Once per round: moves on to the next try, or to the next request.
void client::decide(tab& in, const reply& got) {
    if (in.done) return;
    ++in.round;
    in.open.clear();
    if (last_look_) check_last(*in.request, got);
    const bool failed = got.reset || got.status >= 500 || got.problem == "request-in-progress" ||
                        got.problem == "outcome-unknown";
    if (failed && in.attempts < in.attempts_max && !last_look_) {
        static constexpr milliseconds pauses[] = {milliseconds{20}, milliseconds{500}, seconds{5},
                                                  seconds{40}};
        world_.time.after(in.random.between(milliseconds{1}, in.random.one_of(pauses)),
                          [this, &in, round = in.round] {
                              if (in.round == round) send(in);
                          });
        return;
    }
    static constexpr milliseconds thoughts[] = {milliseconds{1}, milliseconds{100}, seconds{1},
                                                seconds{4}};
    milliseconds longest = in.random.one_of(thoughts);
    if (world_.about.wizards && in.random.chance(800)) longest = milliseconds{5};
    world_.time.after(in.random.between(milliseconds{0}, longest), [this, &in, round = in.round] {
        if (in.round == round) next(in);
    });
}

void client::look_once_more() {
    last_look_ = true;
    const std::size_t skip = keyed_.size() - std::min(keyed_.size(), looked_at_last);
    last_.assign(keyed_.begin() + static_cast<std::ptrdiff_t>(skip), keyed_.end());
    request_facts& look = world_.requests.emplace_back();
    look.number = world_.requests.size();
    look.client = index_;
    look.principal = principal_;
    last_.push_back(&look);
    tabs_.front().done = false;
    next(tabs_.front());
}

void client::check_last(const request_facts& what, const reply& got) {
    const bool own_failure =
        got.execution == 0 && got.status >= 500 && !got.replayed && got.problem != "answer-lost";
    if (got.reset || own_failure || (what.what == deed::read && got.status != 200))
        world_.judge.broken("all works again once nothing fails",
                            "request " + std::to_string(what.number) + ": " +
                                (got.reset ? "no answer" : got.problem));
}

}  // namespace lethe::simulation
