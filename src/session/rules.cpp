#include "session/rules.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/log.hpp"

#include <boost/json/object.hpp>

#include <algorithm>
#include <cstring>

namespace lethe::session::detail {
namespace {

bool contains(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

std::array<char, 16> operation_mark(std::string_view operation) {
    std::array<char, 16> out{};
    const std::string hash = sha256(operation);
    std::memcpy(out.data(), hash.data(), out.size());
    return out;
}

std::int64_t to_seconds(system_time t) {
    return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
}

// The slots the edit may see and write. Independent of what is in the session.
result<> check_allowed(const change& wanted) {
    const patch& edit = *wanted.edit;
    for (const std::string& name : edit.written())
        if (!contains(wanted.writable, name)) return LETHE_ERR(errc::slot_forbidden);
    for (const auto* seen : {&edit.tested(), &edit.copied()})
        for (const std::string& name : *seen)
            if (!contains(wanted.writable, name) && !contains(wanted.readable, name))
                return LETHE_ERR(errc::slot_forbidden);
    return {};
}

result<> check_basis(const state& now, const change& wanted) {
    const std::uint64_t known = known_version(now, wanted);
    if (wanted.relies_on == basis::version && now.version != known)
        return LETHE_ERR(errc::version_changed);
    if (wanted.relies_on != basis::slots || wanted.on_conflict == conflict_rule::last_writer_wins)
        return {};
    if (!wanted.edit || wanted.edit->type() == patch_type::ops) return {};
    // What is only tested is tested again, on what is there now.
    for (const auto* touched : {&wanted.edit->written(), &wanted.edit->copied()})
        for (const std::string& name : *touched) {
            const slot* found = now.find(name);
            if (found != nullptr && found->version > known) return LETHE_ERR(errc::slot_changed);
        }
    return {};
}

result<boost::json::object> named_slots(const state& now, const patch& edit) {
    boost::json::object out;
    for (const auto* names : {&edit.written(), &edit.tested(), &edit.copied()})
        for (const std::string& name : *names) {
            const slot* found = now.find(name);
            if (found == nullptr || found->json.empty() || out.contains(name)) continue;
            result<boost::json::value> value =
                json::parse(found->json, {.depth_max = 2 * slot_depth_max});
            if (value.has_error()) return LETHE_ERR(errc::corrupt);
            out.emplace(name, std::move(*value));
        }
    return out;
}

// Whether the slot changed.
bool set_slot(state& data, const std::string& name, std::string json, std::uint64_t version) {
    const auto at = std::find_if(data.slots.begin(), data.slots.end(),
                                 [&](const slot& s) { return s.name == name; });
    if (at == data.slots.end()) {
        if (json.empty()) return false;
        data.slots.push_back({name, version, std::move(json)});
        return true;
    }
    if (at->json == json) return false;
    at->json = std::move(json);
    at->version = version;
    return true;
}

// Removed slots are kept for their version only; when there are too many slots the oldest of those
// go.
void drop_removed(std::vector<slot>& slots, std::size_t slots_max) {
    while (slots.size() > slots_max) {
        auto oldest = slots.end();
        for (auto at = slots.begin(); at != slots.end(); ++at)
            if (at->json.empty() && (oldest == slots.end() || at->version < oldest->version))
                oldest = at;
        if (oldest == slots.end()) return;
        slots.erase(oldest);
    }
}

// How many slots changed.
result<std::size_t> apply_edit(const state& now, state& next, const change& wanted,
                               const settings& options) {
    LETHE_TRY(boost::json::object slots, named_slots(now, *wanted.edit));
    const result<> applied = wanted.edit->apply(slots);
    if (applied.has_error()) {
        // On the session as the upstream saw it, it is the upstream's mistake; on another, a
        // conflict.
        const bool as_seen = now.version == known_version(now, wanted);
        if (applied.error() == make_error_code(errc::patch_unfit) && !as_seen)
            return LETHE_ERR(errc::no_longer_fits);
        return applied.error();
    }
    std::size_t changed = 0;
    for (const std::string& name : wanted.edit->written()) {
        const boost::json::value* value = slots.if_contains(name);
        changed |=
            set_slot(next, name, value != nullptr ? json::to_text(*value) : "", next.version);
    }
    if (changed == 0) return changed;
    drop_removed(next.slots, options.slots_max);
    // A session above a limit that was lowered may still shrink.
    const std::size_t bytes = slots_bytes(next);
    if (bytes > options.session_bytes_max && bytes > slots_bytes(now))
        return LETHE_ERR(errc::too_large);
    if (next.slots.size() > options.slots_max && next.slots.size() > now.slots.size())
        return LETHE_ERR(errc::too_large);
    return changed;
}

result<> remember(state& next, const change& wanted, const rule_context& context) {
    const std::int64_t now = to_seconds(context.now);
    std::erase_if(next.operations, [&](const remembered_operation& one) {
        return one.seconds + context.options.operation_memory.count() <= now;
    });
    if (wanted.operation.empty()) return {};
    if (next.operations.size() >= context.options.operations_max)
        return LETHE_ERR(errc::too_many_operations);
    next.operations.push_back({operation_mark(wanted.operation), now});
    return {};
}

}  // namespace

std::uint64_t marked(std::uint64_t nonce, std::uint32_t mark) noexcept {
    if (mark == 0) return nonce;
    return (std::uint64_t{mark} << 32) | (nonce & UINT32_MAX);
}

// Each version has the name of its write, newest last. What another wrote in between stays unknown,
// and so does what came behind it: it may have been made from that.
std::uint64_t known_version(const state& now, const change& wanted) noexcept {
    std::uint64_t known = wanted.base_version;
    if (wanted.made_by == 0) return known;
    for (; known < now.version; ++known) {
        const std::uint64_t back = now.version - known;
        if (back > now.writes.size()) break;
        if (now.writes[now.writes.size() - back] >> 32 != wanted.made_by) break;
    }
    return known;
}

bool remembers(const state& data, std::string_view operation) {
    if (operation.empty() || data.operations.empty()) return false;
    const std::array<char, 16> mark = operation_mark(operation);
    return std::any_of(data.operations.begin(), data.operations.end(),
                       [&mark](const remembered_operation& one) { return one.id == mark; });
}

result<std::optional<state>> next_state(const state& now, const change& wanted,
                                        rule_context context) {
    if (wanted.edit) {
        const result<> allowed = check_allowed(wanted);
        if (allowed.has_error()) return allowed.error();
    }
    const result<> founded = check_basis(now, wanted);
    if (founded.has_error()) return founded.error();

    state next = now;
    next.version = now.version + 1;
    bool changed = wanted.regenerate || !wanted.operation.empty();
    if (wanted.edit) {
        LETHE_TRY(const std::size_t edited, apply_edit(now, next, wanted, context.options));
        changed |= edited > 0;
    }
    if (!wanted.subject.empty() && wanted.subject != now.subject) {
        next.subject = wanted.subject;
        changed = true;
    }
    if (!changed) return std::optional<state>{};

    const result<> remembered = remember(next, wanted, context);
    if (remembered.has_error()) return remembered.error();
    next.written = context.now;
    next.writes.push_back(context.nonce);
    if (next.writes.size() > writes_kept)
        next.writes.erase(next.writes.begin(),
                          next.writes.end() - static_cast<std::ptrdiff_t>(writes_kept));
    LETHE_ASSERT(next.version > now.version);
    return std::optional<state>{std::move(next)};
}

state fresh_state(const settings& options, system_time now, random_source& random) {
    state out;
    out.identity = random.bytes(id_bytes);
    out.created = now;
    out.written = out.created;
    out.absolute_expiry = out.created + options.absolute_ttl;
    out.idle_ttl = options.idle_ttl;
    return out;
}

bool is_login(const change& wanted, const state& now) {
    return !wanted.subject.empty() && (wanted.regenerate || wanted.subject != now.subject);
}

void begin_again(state& data, state beginning) {
    data.earlier.push_back(std::move(data.identity));
    if (data.earlier.size() > identities_kept) data.earlier.erase(data.earlier.begin());
    data.identity = std::move(beginning.identity);
    data.created = beginning.created;
    data.absolute_expiry = beginning.absolute_expiry;
    data.idle_ttl = beginning.idle_ttl;
}

std::chrono::milliseconds touch_step(std::chrono::seconds idle_ttl) {
    using std::chrono::milliseconds;
    const milliseconds idle = idle_ttl;
    // The last bound is for very short sessions, which would otherwise end while they are used.
    return std::min(std::max<milliseconds>(std::chrono::seconds{60}, idle / 20), idle / 2);
}

std::string slots_json(const state& data, const std::vector<std::string>& only) {
    std::string out = "{";
    for (const slot& one : data.slots) {
        if (one.json.empty() || !contains(only, one.name)) continue;
        if (out.size() > 1) out += ',';
        log::append_json_string(out, one.name);
        out += ':';
        out += one.json;
    }
    out += '}';
    return out;
}

std::size_t slots_bytes(const state& data) {
    std::string name;
    std::size_t bytes = 1;
    for (const slot& one : data.slots) {
        if (one.json.empty()) continue;
        name.clear();
        log::append_json_string(name, one.name);
        bytes += name.size() + one.json.size() + 2;
    }
    return std::max<std::size_t>(bytes, 2);
}

}  // namespace lethe::session::detail
