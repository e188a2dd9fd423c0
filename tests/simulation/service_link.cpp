#include "simulation/service_link.hpp"

#include "http/errors.hpp"
#include "http/problem.hpp"

#include <algorithm>
#include <optional>

namespace lethe::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// As the pool has them (src/upstream/problems.hpp).
constexpr http::problem_type unavailable{"upstream-unavailable", 503, "No replica can be reached"};
constexpr http::problem_type broke_off{"upstream-broke-off", 502,
                                       "The replica gave no valid answer"};
constexpr http::problem_type timed_out{"upstream-timeout", 504,
                                       "The replica did not answer in time"};

// Whether it is the question of `on_unknown: reconcile`, not a client's own request.
bool asks(const http::exchange& x, const delivery& of) {
    return x.request.method == http::method::get && of.request->what != deed::read;
}

// Comes in pieces that take time, and may break off.
class slow_body final : public http::body_source {
 public:
    slow_body(clock& time, std::string bytes, bool breaks_off, bool length_known)
        : time_(time), bytes_(std::move(bytes)), breaks_off_(breaks_off) {
        if (length_known) length_ = bytes_.size();
    }
    task<std::string_view> read() override {
        const result<> slept = co_await time_.sleep_until(time_.steady_now() + milliseconds{1});
        if (slept.has_error()) co_return slept.error();
        if (breaks_off_ && passed_ > 0) co_return LETHE_ERR(http::errc::truncated);
        const std::size_t piece = std::min<std::size_t>(bytes_.size() - passed_, 10);
        const std::string_view out = std::string_view(bytes_).substr(passed_, piece);
        passed_ += piece;
        co_return out;
    }
    std::optional<std::uint64_t> length() const noexcept override { return length_; }
    void release() noexcept override { delete this; }

 private:
    clock& time_;
    std::string bytes_;
    bool breaks_off_;
    std::optional<std::uint64_t> length_;
    std::size_t passed_ = 0;
};

}  // namespace

enum class service_link::ending : std::uint8_t { answered, refused, lost, late, cancelled };

struct service_link::call {
    call(host& by, service_world& in) : on(by), world(in) {}

    host& on;
    service_world& world;
    std::uint64_t wait = 0;
    unsigned life = 0;
    std::uint64_t stream = 0;
    std::uint64_t number = 0;
    arrival what;
    mishap how = mishap::none;
    microseconds there{0};
    microseconds back{0};
    std::optional<ending> ended;
    const execution* answer = nullptr;
    delivery* of = nullptr;
};

task<> service_link::handle(http::exchange& x) {
    x.outcome = http::upstream_outcome::not_sent;
    if (x.client_gone && !x.survives_client) co_return LETHE_ERR(http::errc::cancelled);
    const result<std::string> body = co_await http::read_whole(x.request_body.get(), 1 << 20);
    if (body.has_error()) co_return body.error();

    class leaver final : public http::cancellable {
     public:
        explicit leaver(call_ptr what) : what_(std::move(what)) {}
        void cancel() noexcept override { end(what_, ending::cancelled); }

     private:
        call_ptr what_;
    };
    const call_ptr made = begin(x);
    leaver leaves(made);
    x.waiting_on = &leaves;
    co_await host_.inside().wait(made->wait);
    x.waiting_on = nullptr;
    settle(x, *made);
    if (made->ended == ending::cancelled) co_return LETHE_ERR(http::errc::cancelled);
    co_return result<>{};
}

service_link::call_ptr service_link::begin(http::exchange& x) {
    auto made = std::make_shared<call>(host_, world_);
    made->wait = host_.inside().next_wait();
    made->life = host_.life();
    made->number = ++sent_;
    made->stream = mix(mix(0x73657276, host_.index()), host_.life());
    dice d = world_.weather.dice_for(made->stream, made->number);
    made->there = d.between(microseconds{50}, microseconds{800});
    made->back = d.between(microseconds{500}, milliseconds{30});
    made->how = world_.weather.of_message(made->stream, made->number, world_.mishaps);
    const moment refusal = host_.time().now() + made->there;
    if (made->how == mishap::refused || !world_.service.up()) {
        host_.deliver_at(refusal, [made] { end(made, ending::refused); });
        return made;
    }
    delivery& of = world_.leaves(x);
    made->what.delivery = of.number;
    made->what.name = of.name;
    made->what.request = of.request;
    if (x.session) made->what.pseudonym = x.session->pseudonym;
    made->what.operation = x.operation_id;
    made->what.version = x.request.header.first("Lethe-Session-Version").value_or("");
    made->what.attempt = x.attempt;
    made->what.asks = asks(x, of);
    made->of = &of;
    host_.deliver_at(to_moment(x.deadline), [made] { end(made, ending::late); });
    host_.time().note("service.ask",
                      {{"gateway", host_.index()},
                       {"life", made->life},
                       {"delivery", of.number},
                       {"attempt", x.attempt}},
                      made->how == mishap::none ? "" : name_of(made->how));
    depart(made, d);
    return made;
}

void service_link::depart(const call_ptr& made, dice& d) {
    static constexpr milliseconds orders[] = {milliseconds{300}, seconds{3}, seconds{10},
                                              seconds{40}};
    const microseconds slow = d.between(milliseconds{1}, d.one_of(orders));
    schedule& time = made->on.time();
    switch (made->how) {
        case mishap::cut:
        case mishap::request_lost:
            made->on.deliver_at(time.now() + made->there, [made] { end(made, ending::lost); });
            return;
        case mishap::slow_request: made->there += slow; break;
        case mishap::slow_answer: made->back += slow; break;
        case mishap::dies_sending:
            made->on.die_soon();
            if (d.chance(500)) return;
            break;
        case mishap::pauses_sending:
            made->on.pause_soon(d.between(seconds{1}, seconds{90}));
            if (d.chance(500)) {
                time.after(microseconds{1}, [made] {
                    made->on.time().at(made->on.held_until() + made->there,
                                       [made] { arrive(made); });
                });
                return;
            }
            break;
        default: break;
    }
    time.after(made->there, [made] { arrive(made); });
}

void service_link::arrive(const call_ptr& made) {
    schedule& time = made->on.time();
    if (!made->world.service.up()) {
        made->on.deliver(made->life, [made] { end(made, ending::lost); });
        return;
    }
    made->answer = &made->world.service.execute(made->what);
    dice d = made->world.weather.dice_for(made->stream ^ 1, made->number);
    switch (made->how) {
        case mishap::answer_lost:
            made->on.deliver(made->life, [made] { end(made, ending::lost); });
            return;
        case mishap::dies_waiting:
            if (made->on.life() == made->life) made->on.kill();
            return;
        case mishap::pauses_waiting:
            if (made->on.life() == made->life) made->on.pause(d.between(seconds{1}, seconds{90}));
            break;
        default: break;
    }
    time.after(made->back,
               [made] { made->on.deliver(made->life, [made] { end(made, ending::answered); }); });
}

void service_link::end(const call_ptr& made, ending how) {
    if (made->ended) return;
    made->ended = how;
    made->on.inside().wake(made->wait);
}

void service_link::settle(http::exchange& x, const call& what) {
    if (what.ended == ending::refused) {
        if (x.request.method != http::method::get)
            world_.keys.learned(x.operation_id, x.attempt, fate::not_sent);
        http::answer_problem(x, unavailable, {.retry_after = seconds{1}});
        return;
    }
    if (what.ended != ending::answered) {
        if (!what.what.asks) world_.keys.learned(x.operation_id, x.attempt, fate::unknown);
        x.outcome = http::upstream_outcome::unknown;
        http::answer_problem(x, what.ended == ending::late ? timed_out : broke_off);
        x.response.header.append_borrowed("Lethe-Outcome", "unknown");
        return;
    }
    if (!what.what.asks)
        world_.keys.learned(x.operation_id, x.attempt, world_.keys.fate_of_answer(*what.answer));
    what.of->given.push_back(what.answer->number);
    x.outcome = http::upstream_outcome::answered;
    x.response.status = what.answer->status;
    for (const auto& [name, value] : what.answer->header) x.response.header.add(name, value);
    dice d = world_.weather.dice_for(what.stream ^ 2, what.number);
    attach_body(x, *what.answer, d);
}

void service_link::attach_body(http::exchange& x, const execution& from, dice& d) {
    const std::uint64_t kind = d.below(10);
    const bool length_known = d.chance(500);
    const bool breaks = world_.mishaps > 0 && d.chance(20) &&
                        world_.weather.happens(static_cast<std::uint32_t>(d.next()));
    if (kind < 7 && !breaks)
        x.response_body = http::make_owned_body(from.body);
    else
        x.response_body =
            http::body_ptr(new slow_body(host_.wall(), from.body, breaks, length_known));
}

}  // namespace lethe::simulation
