#include "store/postgres/calls.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace lethe::store::postgres {
namespace {

// One commit: more would make those before it wait longer than the commit itself takes.
constexpr std::size_t flight_bytes_max = std::size_t{1} * 1024 * 1024;

bool begins_with(const std::string& state, std::string_view start) {
    return state.starts_with(start);
}

}  // namespace

call::call(std::vector<statement> asked, purpose why)
    : statements(std::move(asked)),
      what(why),
      shares(why == purpose::read || why == purpose::write) {
    for (const statement& one : statements) {
        bytes += one.bytes();
        operations += one.operations();
    }
}

void call_queue::link(call& one) noexcept {
    (one.previous != nullptr ? one.previous->next : first_) = &one;
    (one.next != nullptr ? one.next->previous : last_) = &one;
    one.queued = true;
    operations_ += one.operations;
    bytes_ += one.bytes;
}

void call_queue::push_back(call& one) noexcept {
    one.previous = last_;
    one.next = nullptr;
    link(one);
}

void call_queue::push_front(call& one) noexcept {
    one.previous = nullptr;
    one.next = first_;
    link(one);
}

void call_queue::remove(call& one) noexcept {
    (one.previous != nullptr ? one.previous->next : first_) = one.next;
    (one.next != nullptr ? one.next->previous : last_) = one.previous;
    one.previous = one.next = nullptr;
    one.queued = false;
    operations_ -= one.operations;
    bytes_ -= one.bytes;
}

void flight::take(rows got) {
    if (answered >= steps.size()) return;
    const step& at = steps[answered];
    if (at.member == nobody) return;
    if (call* one = members[at.member]) one->answers[at.statement] = std::move(got);
}

void flight::forget(const call& one) noexcept {
    std::ranges::replace(members, const_cast<call*>(&one), nullptr);
}

flight make_flight(call_queue& from, std::size_t operations_max) {
    flight out;
    out.what = from.front()->what;
    std::size_t bytes = 0;
    std::size_t operations = 0;
    bool locks = false;
    const bool shares = from.front()->shares;
    for (call* one = from.front(); one != nullptr;) {
        call* const following = one->next;
        const bool fits = operations + one->operations <= operations_max &&
                          bytes + one->bytes <= flight_bytes_max;
        if (out.members.empty() || (one->shares && fits)) {
            from.remove(*one);
            bytes += one->bytes;
            operations += one->operations;
            for (std::size_t i = 0; i < one->statements.size(); ++i) {
                out.steps.push_back({out.members.size(), i});
                locks = locks || one->statements[i].id == statement_id::transact;
            }
            one->answers.clear();
            one->answers.resize(one->statements.size());
            out.members.push_back(one);
        } else if (one->shares) {
            break;
        }
        if (!shares) break;
        one = following;
    }
    // BEGIN stays where it is: it has no key.
    std::ranges::sort(out.steps, {}, [&](const flight::step& at) {
        return std::tuple(out.members[at.member]->statements[at.statement].key, at.member,
                          at.statement);
    });
    if (locks) out.steps.insert(out.steps.begin(), {flight::nobody, 0});
    return out;
}

std::vector<std::string_view> keys_of(const flight& one) {
    std::vector<std::string_view> out;
    for (const flight::step& at : one.steps) {
        if (at.member == flight::nobody) continue;
        const statement& each = one.members[at.member]->statements[at.statement];
        if (each.parts.empty()) out.push_back(each.key);
        for (const statement& part : each.parts) out.push_back(part.key);
    }
    std::ranges::sort(out);
    return out;
}

remedy remedy_for(const failure& why) noexcept {
    const std::string& state = why.sqlstate;
    // Deadlock, serialization, a lock or a statement that took too long: all rolled back.
    // A record that came into the middle of a transaction: a key that is there already, or the
    // division by zero that says so (statements.cpp).
    if (state == "40P01" || state == "40001" || state == "55P03" || state == "57014" ||
        state == "23505" || state == "22012")
        return remedy::again;
    // Damaged data or index.
    if (state == "XX001" || state == "XX002") return remedy::corrupt;
    if (why.fatal || state.empty()) return remedy::reconnect;
    // A standby or read-only now: another host may be the primary.
    if (state == "25006") return remedy::reconnect;
    // The server is on its way down or up; statements that the connection lost, tables that went or
    // changed: connecting anew looks again.
    if (begins_with(state, "57P") || begins_with(state, "08") || state == "26000" ||
        state == "0A000" || state == "42P01" || state == "3F000" || begins_with(state, "25"))
        return remedy::reconnect;
    // Disk full, out of memory, too many locks, no right to the tables, an I/O error.
    return remedy::give_up;
}

}  // namespace lethe::store::postgres
