#include "simulation/scenario.hpp"

#include "base/error.hpp"

#include <algorithm>

namespace lethe::simulation {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

void draw_key_rules(scenario& out, dice& d, bool short_lives) {
    idempotency::route_options& rules = out.key_rules;
    static constexpr milliseconds leases[] = {seconds{1}, seconds{2}, seconds{5}, seconds{30}};
    rules.lease = d.one_of(leases);
    if (short_lives) {
        rules.lease = std::min<milliseconds>(rules.lease, seconds{5});
        static constexpr milliseconds more[] = {seconds{0}, seconds{3}, seconds{20}};
        rules.ttl = rules.lease + d.one_of(more);
    }
    static constexpr milliseconds waits[] = {seconds{0}, seconds{0}, seconds{1}, seconds{10}};
    rules.wait = d.one_of(waits);
    if (d.chance(250)) rules.expired = idempotency::expired_rule::reject;
    if (short_lives) rules.tombstone = seconds{30};
    if (d.chance(250)) rules.answer_bytes_max = 8;  // nothing fits: outcomes without a body
    static constexpr idempotency::answer_rule on_500[] = {idempotency::answer_rule::store,
                                                          idempotency::answer_rule::release,
                                                          idempotency::answer_rule::unknown};
    rules.on_500 = d.one_of(on_500);
    using idempotency::unknown_rule;
    static constexpr unknown_rule on_unknown[] = {unknown_rule::hold, unknown_rule::hold,
                                                  unknown_rule::reconcile, unknown_rule::resend,
                                                  unknown_rule::final};
    rules.on_unknown = d.one_of(on_unknown);
    const bool asks = rules.on_unknown == unknown_rule::reconcile;
    // What a service remembers outlives what lethe does.
    if ((short_lives || out.lossy) && (asks || rules.on_unknown == unknown_rule::resend))
        rules.on_unknown = unknown_rule::hold;
    if (rules.on_unknown == unknown_rule::reconcile) rules.reconcile = "/by-key/{key}";
    rules.backend_dedups =
        rules.on_unknown == unknown_rule::reconcile || rules.on_unknown == unknown_rule::resend;
}

void draw_session_rules(scenario& out, dice& d) {
    static constexpr seconds idle[] = {seconds{10}, seconds{10}, seconds{10},
                                       seconds{20}, minutes{2},  minutes{30}};
    out.session_settings.idle_ttl = d.one_of(idle);
    if (out.clocks_jump) out.session_settings.idle_ttl = minutes{30};
    out.session_settings.session_bytes_max = 16384;
    out.session_rules.read = {"cart", "wizard"};
    out.session_rules.write = {"cart", "wizard"};
    out.session_rules.service = "shop";
    using session::conflict_rule;
    static constexpr conflict_rule on_conflict[] = {
        conflict_rule::reject, conflict_rule::last_writer_wins, conflict_rule::retry};
    out.session_rules.on_conflict = d.one_of(on_conflict);
    out.wizards = d.chance(out.session_rules.on_conflict == conflict_rule::retry ? 700 : 200);
    // A service that knows keys is asked again. What it remembers outlives what lethe does.
    const bool forgets = out.lossy || out.key_rules.ttl < minutes{5};
    if (out.session_rules.on_conflict == conflict_rule::retry && !forgets && d.chance(700))
        out.key_rules.backend_dedups = true;
}

}  // namespace

scenario make_scenario(std::uint64_t seed, std::optional<unsigned> requests) {
    dice d(mix(seed, 1));
    scenario out;
    out.gateways = 2 + static_cast<unsigned>(d.below(3));
    out.clients = 1 + static_cast<unsigned>(d.below(5));
    out.stores = 1 + static_cast<unsigned>(d.below(2));
    out.requests = 20 + static_cast<unsigned>(d.below(50));
    if (requests) out.requests = *requests;
    out.transactions = d.chance(500);
    out.lossy = d.chance(150);
    const bool short_lives = d.chance(350);
    out.clocks_jump = !short_lives && d.chance(600);
    static constexpr unsigned weathers[] = {0, 15, 40, 100};
    out.mishaps = d.one_of(weathers);
    out.client_mishaps = d.one_of(weathers);
    out.timed_faults = static_cast<unsigned>(d.below(8));
    if (d.chance(120) && !out.lossy && !out.clocks_jump)
        out.moves = 1 + static_cast<unsigned>(d.below(2));
    draw_key_rules(out, d, short_lives);
    draw_session_rules(out, d);
    // Else sessions that lost changes are refused from then on: nothing more would be seen of them.
    if (out.lossy) out.session_rules.stale = session::stale_rule::accept;
    LETHE_ASSERT(!idempotency::find_mistake(out.key_rules));
    LETHE_ASSERT(!session::find_mistake(out.session_rules));
    return out;
}

std::string_view name_of(mishap what) noexcept {
    switch (what) {
        case mishap::none: return "none";
        case mishap::refused: return "refused";
        case mishap::request_lost: return "request lost";
        case mishap::answer_lost: return "answer lost";
        case mishap::cut: return "cut";
        case mishap::slow_request: return "slow request";
        case mishap::slow_answer: return "slow answer";
        case mishap::dies_sending: return "gateway dies sending";
        case mishap::dies_waiting: return "gateway dies waiting";
        case mishap::pauses_sending: return "gateway pauses sending";
        case mishap::pauses_waiting: return "gateway pauses waiting";
    }
    return "";
}

bool faults::happens(std::uint32_t name) {
    if (stopped_ || (only_ && only_->count(name) == 0)) return false;
    happened_.push_back(name);
    return true;
}

mishap faults::of_message(std::uint64_t stream, std::uint64_t n, unsigned of_a_thousand) {
    dice d(mix(mix(seed_, stream ^ 0x6d697368), n));
    if (!d.chance(of_a_thousand)) return mishap::none;
    static constexpr mishap kinds[] = {
        mishap::refused,      mishap::request_lost,   mishap::answer_lost,   mishap::answer_lost,
        mishap::cut,          mishap::slow_request,   mishap::slow_request,  mishap::slow_request,
        mishap::slow_answer,  mishap::slow_answer,    mishap::dies_sending,  mishap::dies_waiting,
        mishap::dies_waiting, mishap::pauses_sending, mishap::pauses_waiting};
    const mishap what = d.one_of(kinds);
    return happens(static_cast<std::uint32_t>(d.next())) ? what : mishap::none;
}

}  // namespace lethe::simulation
