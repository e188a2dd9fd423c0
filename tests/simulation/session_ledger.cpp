#include "simulation/session_ledger.hpp"

#include "base/error.hpp"
#include "session/engine.hpp"

#include <algorithm>

namespace lethe::simulation {
namespace {

using session::record_kind;

constexpr std::string_view no_revival = "an ended session never comes back";
constexpr std::string_view nothing_lost = "no acknowledged session change is lost";
constexpr std::string_view once = "a session change takes effect at most once";
constexpr std::string_view versions = "a session's version grows by one";
constexpr std::string_view own_session = "a change goes to the session that it was made for";
constexpr std::string_view no_fixation = "a cookie from before a login shows what was before it";
constexpr std::string_view own_writes = "what was acknowledged is seen";

// The numbers in "e17": marks that executions leave.
std::vector<std::uint64_t> marks_in(std::string_view json) {
    std::vector<std::uint64_t> out;
    for (std::size_t at = 0; (at = json.find("\"e", at)) != std::string_view::npos;) {
        at += 2;
        std::uint64_t number = 0;
        std::size_t end = at;
        while (end < json.size() && json[end] >= '0' && json[end] <= '9')
            number = number * 10 + static_cast<std::uint64_t>(json[end++] - '0');
        if (end > at && end < json.size() && json[end] == '"') out.push_back(number);
        at = end;
    }
    return out;
}

std::string text_of(std::uint64_t mark) {
    return "e" + std::to_string(mark);
}

std::string_view slot_text(const session::state& data, std::string_view name) {
    const session::slot* found = data.find(name);
    return found != nullptr ? std::string_view(found->json) : std::string_view();
}

}  // namespace

void session_ledger::wrote(const std::string& key, const store::record* before,
                           const store::record& after) {
    LETHE_ASSERT(after.value.size() > 3);
    const auto kind = static_cast<record_kind>(after.value[3]);
    node& at = nodes_[key];
    time_.note("session.written", {{"kind", std::uint64_t(kind)}});
    if (!at.forgotten && at.existed) {
        const bool was_alias =
            at.kind == record_kind::rotated || at.kind == record_kind::superseded;
        if (before != nullptr && at.kind == record_kind::tombstone)
            verdict_.broken(no_revival, "a tombstone was overwritten");
        if (before != nullptr && was_alias && kind == record_kind::session)
            verdict_.broken(no_revival, "an alias became a session again");
        if (before == nullptr && (at.opens || at.kind == record_kind::tombstone))
            verdict_.broken(no_revival, "a record came back after its end");
    }
    if (kind == record_kind::tombstone && at.kind != record_kind::rotated && !at.identity.empty())
        lives_[at.identity].ended = time_.now();
    at.existed = true;
    at.kind = kind;
    if (kind == record_kind::superseded && !at.superseded) at.superseded = time_.now();
    if (at.opens)
        open(at, after.value);
    else
        at.sealed.push_back(after.value);
}

void session_ledger::forgot(const std::string& key) {
    node& at = nodes_[key];
    at.forgotten = true;
    if (!at.identity.empty()) lives_[at.identity].forgotten = true;
}

void session_ledger::learn(const session::ticket& known) {
    node& at = nodes_[known.record_key()];
    if (at.opens) return;
    at.opens = known;
    // Earlier versions were its maker's alone.
    if (!at.sealed.empty()) open(at, at.sealed.back());
    at.sealed.clear();
}

void session_ledger::open(node& at, const std::string& value) {
    const auto opened = session::open(value, *at.opens);
    if (opened.has_error()) {
        verdict_.broken("records open with their ticket", opened.error().message());
        return;
    }
    switch (opened->kind) {
        case record_kind::session:
        case record_kind::superseded: check_state(at, opened->data); break;
        case record_kind::rotated: {
            const auto target = session::ticket::from_bytes(opened->target);
            if (target) learn(*target);
            break;
        }
        case record_kind::tombstone: break;
    }
}

void session_ledger::inherit(life& of, const session::state& data) {
    of.earlier = data.earlier;
    for (const std::string& name : data.earlier) {
        const auto parent = lives_.find(name);
        if (parent == lives_.end()) continue;
        of.forgotten |= parent->second.forgotten;
        of.steps.insert(parent->second.steps.begin(), parent->second.steps.end());
    }
    const auto parent = data.earlier.empty() ? lives_.end() : lives_.find(data.earlier.back());
    if (parent == lives_.end()) return;
    of.log = parent->second.log;
    of.step = parent->second.step;
}

void session_ledger::check_state(node& at, const session::state& data) {
    const bool is_new = lives_.count(data.identity) == 0;
    life& of = lives_[data.identity];
    if (is_new) {
        inherit(of, data);
        identities_[session::pseudonym(data.identity, "shop")] = data.identity;
    }
    at.identity = data.identity;
    of.forgotten |= at.forgotten;
    if (at.kind == record_kind::session) {
        if (!of.forgotten && of.ended)
            verdict_.broken(no_revival, "a session was written after its end");
        if (!of.forgotten && !is_new && data.version != of.version + 1)
            verdict_.broken(versions,
                            std::to_string(data.version) + " after " + std::to_string(of.version));
    }
    of.version = data.version;
    check_growth(of, data);
}

void session_ledger::check_growth(life& of, const session::state& data) {
    const std::string_view cart = slot_text(data, "cart");
    const std::vector<std::uint64_t> log = marks_in(cart);
    std::set<std::uint64_t> different(log.begin(), log.end());
    if (different.size() != log.size())
        verdict_.broken(once, "a mark stands twice in the cart: " + std::string(cart));
    if (!log.empty()) {
        const std::string count = "\"count\":" + std::to_string(log.size());
        if (cart.find(count) == std::string_view::npos)
            verdict_.broken(once,
                            "the cart's count is not that of its marks: " + std::string(cart));
    }
    const bool goes_on =
        of.log.size() <= log.size() && std::equal(of.log.begin(), of.log.end(), log.begin());
    if (!goes_on && !of.forgotten)
        verdict_.broken(nothing_lost, "the cart lost marks: " + std::string(cart));
    for (std::size_t i = of.log.size(); i < log.size(); ++i) check_mark(data, log[i]);
    of.log = log;

    const std::vector<std::uint64_t> wizard = marks_in(slot_text(data, "wizard"));
    const std::uint64_t step = wizard.empty() ? 0 : wizard.front();
    if (step == of.step) return;
    if (!of.steps.insert(step).second && !of.forgotten)
        verdict_.broken(once, text_of(step) + " stands in the wizard again");
    check_operation(of, step);
    if (step != 0) check_mark(data, step);
    of.step = step;
}

// Of several attempts of one operation one changes the session.
void session_ledger::check_operation(const life& of, std::uint64_t step) {
    const execution* const by = executions_(step);
    if (by == nullptr || by->operation.empty() || of.forgotten) return;
    for (const std::uint64_t other : of.steps) {
        const execution* const before = executions_(other);
        if (other != step && before != nullptr && before->operation == by->operation)
            verdict_.broken(once, text_of(step) + " and " + text_of(other) + " of one operation");
    }
}

void session_ledger::check_mark(const session::state& data, std::uint64_t mark) {
    const execution* const by = executions_(mark);
    if (by == nullptr || by->pseudonym.empty()) return;  // made for whoever had no session
    const auto is_it = [by](const std::string& identity) {
        return session::pseudonym(identity, "shop") == by->pseudonym;
    };
    if (!is_it(data.identity) && std::none_of(data.earlier.begin(), data.earlier.end(), is_it))
        verdict_.broken(own_session, text_of(mark));
}

void session_ledger::seen(const std::string& pseudonym, const std::string& slots, moment began,
                          const std::string& shown) {
    const auto at = identities_.find(pseudonym);
    if (at == identities_.end()) {
        verdict_.broken(own_writes, "a session that no ticket leads to");
        return;
    }
    const auto with = nodes_.find(shown);
    const bool from_before = with != nodes_.end() && with->second.superseded &&
                             *with->second.superseded < began && !with->second.forgotten;
    if (from_before && with->second.identity != at->second)
        verdict_.broken(no_fixation, "it led to the session after the login");
    const life& of = lives_[at->second];
    if (of.forgotten) return;
    if (of.ended && *of.ended < began)
        verdict_.broken(no_revival, "a request met a session that had ended before it");
    const std::vector<std::uint64_t> log = marks_in(slots);
    for (const auto& [when, mark] : of.acknowledged)
        if (when < began && std::find(log.begin(), log.end(), mark) == log.end())
            verdict_.broken(own_writes, text_of(mark) + " is not in what the service sees");
}

void session_ledger::acknowledged(const session::ticket& by, const execution& what) {
    ++acknowledgements_;
    const node& at = nodes_[by.record_key()];
    std::string identity = at.identity;
    if (identity.empty()) {
        if (!at.forgotten) verdict_.broken(nothing_lost, "acknowledged for no session");
        return;
    }
    life& of = lives_[identity];
    if (of.forgotten || at.forgotten) return;
    const std::uint64_t mark = what.number;
    if (marks_cart(what.request->what)) {
        if (std::find(of.log.begin(), of.log.end(), mark) == of.log.end())
            verdict_.broken(nothing_lost, text_of(mark) + " was acknowledged and is not there");
        of.acknowledged.emplace_back(time_.now(), mark);
    }
    if (marks_wizard(what.request->what) && of.steps.count(mark) == 0)
        verdict_.broken(nothing_lost, text_of(mark) + " was acknowledged and was never there");
}

void session_ledger::acknowledged_end(const std::string& pseudonym, bool record_lives) {
    const auto at = identities_.find(pseudonym);
    if (at == identities_.end()) return;
    const life& of = lives_[at->second];
    if (!of.ended && record_lives && !of.forgotten)
        verdict_.broken(nothing_lost, "a logout was acknowledged and the session lives");
}

bool session_ledger::is_of(const std::string& pseudonym, const std::string& origin) const {
    if (pseudonym == origin) return true;
    const auto at = identities_.find(pseudonym);
    if (at == identities_.end()) return false;
    const auto of = lives_.find(at->second);
    if (of == lives_.end()) return false;
    return std::any_of(
        of->second.earlier.begin(), of->second.earlier.end(),
        [&](const std::string& one) { return session::pseudonym(one, "shop") == origin; });
}

}  // namespace lethe::simulation
