#include "simulation/world.hpp"

#include "base/bytes.hpp"
#include "http/fields.hpp"
#include "idempotency/key.hpp"
#include "simulation/moving_pair.hpp"

#include <algorithm>
#include <map>

namespace lethe::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// What clients draw is over by then, whatever happens to them.
constexpr moment run_max = minutes{40};
// An exchange may end so much later than its deadline.
constexpr microseconds slack = seconds{10};
constexpr moment quiet_max = seconds{60};

constexpr std::string_view every_request_ends = "every request ends";
constexpr std::string_view no_other_caller = "an answer goes to its own caller";
constexpr std::string_view same_outcome = "a replay is the first outcome";

class world final : public onlooker {
 public:
    explicit world(const run_options& options);
    run_result run();

    void wrote(const std::string& key, const store::record* before,
               const store::record& after) override;
    void erased(const std::string&) override {}
    void forgot(const std::string& key) override;

 private:
    void make_stores();
    void make_hosts();
    void boot(host& on);
    void plan_moves();
    void move_stores();
    void plan_faults();
    void one_fault(dice d);
    void run_until(moment end, bool (*finished)(world&));
    void heal();
    [[nodiscard]] bool clients_done() const;
    [[nodiscard]] std::size_t open_exchanges() const;

    delivery& leaves(http::exchange& x);
    void answers(delivery& of, const http::exchange& x);
    void check_outcome(const delivery& of, const http::exchange& x, const execution& what);
    void check_session(const delivery& of, const http::exchange& x, const execution& what);
    [[nodiscard]] std::optional<session::ticket> handed_out(const http::exchange& x) const;

    const run_options options_;
    schedule time_;
    verdict verdict_{time_};
    const scenario about_;
    faults faults_;
    key_ledger keys_{time_, verdict_, about_};
    session_ledger sessions_{time_, verdict_,
                             [this](std::uint64_t number) { return shop_.find(number); }};
    std::vector<std::unique_ptr<moving_pair>> stores_;  // as the engines see them
    lethe::metrics::registry own_counts_;
    shop shop_;
    service_world service_;
    gateway_world gateway_;
    client_world clients_of_;
    std::vector<std::unique_ptr<host>> hosts_;
    std::vector<std::unique_ptr<client>> clients_;
    run_counts counts_;
    // What the holder of a session was answered, by operation.
    std::map<std::string, std::uint64_t> acknowledged_;
    bool healed_ = false;
    bool moving_ = false;  // all gateways are stopped, and start with another configuration
};

world::world(const run_options& options)
    : options_(options),
      time_(options.seed, options.keep_trace),
      about_(make_scenario(options.seed, options.requests)),
      faults_(mix(options.seed, 2), options.only),
      shop_(mix(options.seed, 3), time_, about_.key_rules.backend_dedups, about_.looks_again()),
      service_{shop_, faults_, about_.mishaps, keys_,
               [this](http::exchange& x) -> delivery& { return leaves(x); }},
      gateway_{about_,
               {},
               {},
               faults_,
               service_,
               options.counted != nullptr ? *options.counted : own_counts_,
               options.bug,
               options.seed,
               [this](delivery& of, const http::exchange& x) { answers(of, x); },
               [this](delivery& of, reply got) {
                   clients_[of.request->client]->answer(of, std::move(got));
               }},
      clients_of_{about_, time_, faults_, verdict_, {}, mix(options.seed, 4), {}, {}} {
    make_stores();
    shop_.denies = [this](const arrival& what) { keys_.denied(what.operation, what.attempt); };
    make_hosts();
    for (unsigned i = 0; i < about_.clients; ++i)
        clients_.push_back(std::make_unique<client>(
            clients_of_, i,
            about_.requests / about_.clients + (i < about_.requests % about_.clients)));
}

void world::make_stores() {
    for (unsigned i = 0; i < about_.stores; ++i) {
        stores_.push_back(std::make_unique<moving_pair>(time_, verdict_, *this, i));
        gateway_.stores.push_back(&stores_.back()->primary());
    }
}

// As docs/stores.md says it: stopped all, then started all.
void world::move_stores() {
    if (healed_ || moving_) return;
    moving_ = true;
    ++counts_.moves;
    time_.note("stores.move", {});
    const bool one_by_one = options_.bug == planted::moved_one_by_one;
    for (const auto& one : hosts_)
        if (!one_by_one || one->index() > 0) one->kill();
    gateway_.stores.clear();
    gateway_.previous.clear();
    for (const auto& one : stores_) {
        one->exchange(!one_by_one);
        gateway_.stores.push_back(&one->primary());
        gateway_.previous.push_back(one->previous());
    }
    dice d = faults_.dice_for(0x73746f70, counts_.moves);
    time_.after(d.between(milliseconds{1}, seconds{3}), [this] {
        moving_ = false;
        for (const auto& one : hosts_) boot(*one);
    });
}

void world::plan_moves() {
    for (unsigned i = 0; i < about_.moves; ++i) {
        dice d = faults_.dice_for(0x6d6f7665, i);
        time_.at(d.between(milliseconds{500}, seconds{40}), [this] { move_stores(); });
    }
}

void world::make_hosts() {
    for (unsigned i = 0; i < about_.gateways; ++i) {
        hosts_.push_back(std::make_unique<host>(time_, i, mix(options_.seed, 5)));
        host& made = *hosts_.back();
        clients_of_.gateways.push_back(&made);
        made.died = [this, &made] {
            ++counts_.deaths;
            for (const auto& one : clients_) one->gateway_died(made.index());
            if (healed_) return;
            time_.after(made.random().between(milliseconds{20}, seconds{20}),
                        [this, &made] { boot(made); });
        };
    }
}

void world::boot(host& on) {
    if (on.running() != nullptr || moving_) return;
    on.begin_life();
    on.boot(std::make_unique<gateway>(on, gateway_));
}

void world::wrote(const std::string& key, const store::record* before, const store::record& after) {
    if (key.starts_with("i:"))
        keys_.wrote(key, before, after);
    else if (key.starts_with("s:"))
        sessions_.wrote(key, before, after);
}

void world::forgot(const std::string& key) {
    if (key.starts_with("i:"))
        keys_.forgot(key);
    else if (key.starts_with("s:"))
        sessions_.forgot(key);
}

// --- faults that come by the clock

void world::plan_faults() {
    for (unsigned i = 0; i < about_.timed_faults; ++i) {
        dice d = faults_.dice_for(0x74696d65, i);
        const auto name = static_cast<std::uint32_t>(d.next());
        const moment when = d.between(milliseconds{100}, seconds{60});
        time_.at(when, [this, d, name] {
            if (faults_.happens(name)) one_fault(d);
        });
    }
}

void world::one_fault(dice d) {
    host& on = *hosts_[d.below(hosts_.size())];
    moving_pair& pair = *stores_[d.below(stores_.size())];
    store_server& store =
        pair.previous() != nullptr && d.chance(400) ? *pair.previous() : pair.primary();
    const microseconds short_while = d.between(milliseconds{50}, seconds{10});
    switch (d.below(7)) {
        case 0: on.kill(); return;
        case 1: on.pause(d.between(seconds{1}, seconds{120})); return;
        case 2:
            if (!about_.clocks_jump) return;
            on.jump_wall(milliseconds{static_cast<std::int64_t>(d.below(1'200'000)) - 600'000});
            keys_.clock_error =
                std::max<milliseconds>(keys_.clock_error, std::chrono::abs(on.wall_error()));
            time_.note("clock.jumps", {{"gateway", on.index()}});
            return;
        case 5: on.stop(); return;
        case 3:
            store.leave();
            time_.after(short_while, [&store] { store.come_back(); });
            return;
        case 4:
            store.fail_over(about_.lossy ? d.between(milliseconds{1}, seconds{3})
                                         : microseconds{0});
            return;
        default:
            shop_.set_up(false);
            time_.note("service.leaves", {});
            time_.after(short_while, [this] { shop_.set_up(true); });
            return;
    }
}

// --- the run

bool world::clients_done() const {
    return std::all_of(clients_.begin(), clients_.end(),
                       [](const auto& one) { return one->done(); });
}

std::size_t world::open_exchanges() const {
    std::size_t out = 0;
    for (const auto& one : hosts_)
        if (one->running() != nullptr) out += static_cast<gateway&>(*one->running()).open();
    return out;
}

void world::run_until(moment end, bool (*finished)(world&)) {
    while (!verdict_.first() && !finished(*this)) {
        if (time_.now() > end) {
            verdict_.broken(every_request_ends, "some did not");
            return;
        }
        if (!time_.step()) return;
    }
}

void world::heal() {
    healed_ = true;
    time_.note("all.heals", {});
    faults_.stop();
    shop_.calm();
    shop_.set_up(true);
    for (const auto& one : stores_) {
        if (!one->primary().up()) one->primary().come_back();
        if (one->previous() != nullptr && !one->previous()->up()) one->previous()->come_back();
    }
    for (const auto& one : hosts_) {
        one->go_on();
        if (one->stopping()) one->kill();
        boot(*one);
    }
}

run_result world::run() {
    for (const auto& one : hosts_) boot(*one);
    plan_faults();
    plan_moves();
    for (const auto& one : clients_) one->start();
    run_until(run_max, [](world& in) { return in.clients_done(); });
    heal();
    run_until(time_.now() + quiet_max,
              [](world& in) { return !in.moving_ && in.open_exchanges() == 0; });
    for (const auto& one : clients_) one->look_once_more();
    run_until(time_.now() + minutes{5},
              [](world& in) { return in.clients_done() && in.open_exchanges() == 0; });

    run_result out;
    out.broken = verdict_.first();
    time_.note("run.ends", {{"steps", time_.steps()}});
    out.digest = time_.history().digest();
    out.trace = time_.history().take();
    out.faults = faults_.happened();
    out.counts = counts_;
    out.counts.steps = time_.steps();
    out.counts.requests = clients_of_.requests.size();
    out.counts.forwards = keys_.forwards();
    out.counts.acknowledgements = sessions_.acknowledgements();
    for (const auto& one : stores_) out.counts.moved += one->moved();
    return out;
}

// --- what goes through a gateway

delivery& world::leaves(http::exchange& x) {
    const auto number = x.request.header.first("X-Delivery").value_or("0");
    delivery& of = clients_of_.deliveries[std::stoull(std::string(number)) - 1];
    if (x.attempt > 0 && x.request.method != http::method::get) {
        const request_facts& request = *of.request;
        std::string caller;
        if (!request.principal.empty())
            caller = idempotency::caller_of_principal("https://id.example", request.principal);
        else if (x.session)
            caller = idempotency::caller_of_session(x.session->pseudonym);
        keys_.forwarded(x, "i:" + idempotency::make_record_id({"", caller}, request.key));
    }
    if (x.session) {
        const std::string_view shown = x.request.header.first("Lethe-Session").value_or("::");
        const auto slots = from_base64(shown.substr(1, shown.size() - 2));
        const auto ticket = of.cookie.empty() ? std::nullopt : session::ticket::parse(of.cookie);
        sessions_.seen(x.session->pseudonym, slots ? *slots : "", of.began,
                       ticket ? ticket->record_key() : "");
    }
    return of;
}

std::optional<session::ticket> world::handed_out(const http::exchange& x) const {
    const std::string prefix = about_.session_settings.cookie_name + "=";
    for (const http::field_line& line : x.response.header) {
        if (line.id != http::field_id::set_cookie || !line.value.starts_with(prefix)) continue;
        const std::string_view value = line.value.substr(prefix.size());
        return session::ticket::parse(value.substr(0, value.find(';')));
    }
    return std::nullopt;
}

void world::answers(delivery& of, const http::exchange& x) {
    const bool stood_still = hosts_[of.gateway]->pauses() != of.pauses;
    if (!stood_still && time_.now() > of.began + about_.route_timeout + slack)
        verdict_.broken(every_request_ends, "delivery " + std::to_string(of.number) + " late");
    if (x.replayed) ++counts_.replays;
    const std::optional<session::ticket> ticket = handed_out(x);
    if (ticket) sessions_.learn(*ticket);
    const auto number = x.response.header.first("X-Execution");
    if (!number) {
        // Its own word, once or kept as the final one; or the service's, about a barred attempt.
        const bool final = x.replayed && x.response.status == 504 &&
                           about_.key_rules.on_unknown == idempotency::unknown_rule::final;
        const bool refusal = x.response.header.first("X-Refusal").has_value();
        if ((x.problem.empty() && !final && !refusal) || x.response.status < 400)
            verdict_.broken(same_outcome, "an answer that nobody gave");
        return;
    }
    const execution* what = shop_.find(std::stoull(std::string(*number)));
    LETHE_ASSERT(what != nullptr);
    check_outcome(of, x, *what);
    if (x.response.header.first("X-Changes") == "1") check_session(of, x, *what);
}

void world::check_outcome(const delivery& of, const http::exchange& x, const execution& what) {
    const std::string who = "delivery " + std::to_string(of.number);
    const request_facts& asked = *of.request;
    const request_facts& answered = *what.request;
    const bool same_caller = asked.principal == answered.principal &&
                             (!asked.principal.empty() || asked.client == answered.client);
    if (!same_caller) verdict_.broken(no_other_caller, who);
    if (&asked != &answered) verdict_.broken(same_outcome, who + " got another request's answer");
    // What the service said when asked about it says that it was done.
    const bool adopted = what.status != 200 && x.response.status == 200 &&
                         about_.key_rules.on_unknown == idempotency::unknown_rule::reconcile;
    if (x.response.status != what.status && !adopted)
        verdict_.broken(same_outcome, who + " got another status than the first");
    if (!x.replayed && std::find(of.given.begin(), of.given.end(), what.number) == of.given.end())
        verdict_.broken(same_outcome, who + " got an old answer that is not marked");
    if (x.replayed != x.response.header.first("Idempotent-Replayed").has_value())
        verdict_.broken(same_outcome, who + ": the mark of replays");
}

void world::check_session(const delivery& of, const http::exchange& x, const execution& what) {
    // An outcome that was made for another session changes none.
    const bool placed = !what.operation.empty() && !what.pseudonym.empty();
    if (placed && !(x.session && sessions_.is_of(x.session->pseudonym, what.pseudonym))) return;
    if (placed && !about_.lossy) {
        const auto [at, first] = acknowledged_.emplace(what.operation, what.number);
        if (!first && at->second != what.number)
            verdict_.broken(same_outcome, "an outcome was replaced after its change was made");
    }
    const std::optional<session::ticket> shown =
        of.cookie.empty() ? std::nullopt : session::ticket::parse(of.cookie);
    if (what.request->what == deed::logout) {
        if (!x.session || !shown) return;
        const auto record = stores_.back()->find(shown->record_key());
        const bool lives =
            record && record->value[3] == static_cast<char>(session::record_kind::session);
        sessions_.acknowledged_end(x.session->pseudonym, lives);
        return;
    }
    const std::optional<session::ticket> ticket = handed_out(x);
    if (ticket)
        sessions_.acknowledged(*ticket, what);
    else if (shown)
        sessions_.acknowledged(*shown, what);
    else
        verdict_.broken("no acknowledged session change is lost", "nobody got a session");
}

}  // namespace

run_result run(const run_options& options) {
    world in(options);
    return in.run();
}

}  // namespace lethe::simulation
