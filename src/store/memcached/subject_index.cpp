#include "store/memcached/subject_index.hpp"

#include "store/rules.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace lethe::store::memcached {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// An item is packed anew once it is larger than this and half of it is of no more use.
constexpr std::size_t packed_bytes_min = 1024;

// How long an entry is kept for a record that lives so long: a quarter more, so that a record that
// is prolonged again and again does not change its entry each time.
milliseconds entry_life(milliseconds record_life) {
    constexpr milliseconds far = std::chrono::hours{24 * 365 * 1000};
    const milliseconds life = std::clamp(record_life, milliseconds{1}, far);
    return life + life / 4 + seconds{60};
}

struct wanted_entry {
    std::string_view subject;
    std::string_view key;
    system_time expires;  // of the record
};

struct change {
    std::string value;
    set_how how;
};

// Which keys an item names, each with the latest moment that was said for it.
std::map<std::string_view, system_time> latest(const std::vector<index_entry>& entries,
                                               system_time now) {
    std::map<std::string_view, system_time> out;
    for (const index_entry& one : entries) {
        if (!alive(one.until, now)) continue;
        system_time& until = out.try_emplace(one.key, one.until).first->second;
        until = std::max(until, one.until);
    }
    return out;
}

// What to change so that the item that `found` tells of has the entry; nothing when it has.
result<std::optional<change>> plan(const reply& found, const wanted_entry& wanted, system_time now,
                                   system_time real_now) {
    const milliseconds life = wanted.expires - now;
    const index_entry entry{.key = wanted.key, .until = expiry_after(now, entry_life(life))};
    const std::int64_t exptime = exptime_of(entry_life(life), real_now);
    change out;
    if (found.kind == reply_kind::missing) {
        out.value = encode_index(wanted.subject);
        append_entry(out.value, entry);
        out.how = {.mode = set_mode::add, .cas = {}, .exptime = exptime};
        return out;
    }
    LETHE_TRY(const std::vector<index_entry> entries, decode_index(found.value, wanted.subject));
    const auto kept = latest(entries, now);
    // Whether the item itself stays as long as the record.
    const std::int64_t left = found.seconds.value_or(-1);
    const bool stays = left < 0 || seconds{left} > life;
    const auto at = kept.find(wanted.key);
    if (stays && at != kept.end() && at->second >= wanted.expires) return std::nullopt;
    const bool wasteful = found.value.size() > packed_bytes_min && kept.size() * 2 < entries.size();
    if (stays && !wasteful) {
        // Needs no look at what is there, so that many may do it at once. What it leaves unchanged
        // is the item's end.
        append_entry(out.value, entry);
        out.how = {.mode = set_mode::append};
        return out;
    }
    out.value = encode_index(wanted.subject);
    for (const auto& [key, until] : kept)
        if (key != wanted.key) append_entry(out.value, {.key = key, .until = until});
    append_entry(out.value, entry);
    // Never sooner than it stands: others rely on that. (-1: no end at all.)
    const bool later = left >= 0 && seconds{left} < entry_life(life);
    const std::int64_t as_it_is = left < 0 ? 0 : exptime_of(seconds{left}, real_now);
    out.how = {.cas = found.cas, .exptime = later ? exptime : as_it_is};
    return out;
}

}  // namespace

task<> subject_index::add(std::string_view subject, std::string_view key, system_time expires,
                          steady_time deadline) {
    server& at = parts_.server_of(subject);
    const item_name name = parts_.naming.index(subject, shard_of(key));
    while (true) {
        requests look = at.begin();
        look.get(name);
        const result<answered> got = co_await at.ask(std::move(look), deadline);
        if (got.has_error()) co_return parts_.nothing_changed(got.error(), deadline);
        const reply& found = got->replies.front();
        if (found.kind != reply_kind::value && found.kind != reply_kind::missing)
            co_return parts_.nothing_changed(to_error(found), deadline);
        const auto planned = plan(found, {.subject = subject, .key = key, .expires = expires},
                                  parts_.now(), parts_.real_now());
        if (planned.has_error()) co_return planned.error();
        if (!*planned) co_return result<>{};
        const change& wanted = **planned;
        if (wanted.value.size() > at.item_bytes_max()) co_return LETHE_ERR(errc::too_large);
        if (wanted.how.cas && at.connection() != got->connection) continue;
        requests write = at.begin();
        write.set(name, wanted.value, wanted.how);
        const result<answered> written = co_await at.ask(std::move(write), deadline);
        if (written.has_error()) co_return parts_.nothing_changed(written.error(), deadline);
        const reply& how = written->replies.front();
        if (how.kind == reply_kind::done) co_return result<>{};
        // Another was faster, or the item has gone: look again.
        if (how.kind == reply_kind::not_stored || how.kind == reply_kind::exists ||
            how.kind == reply_kind::missing)
            continue;
        co_return parts_.nothing_changed(to_error(how), deadline);
    }
}

task<std::vector<std::string>> subject_index::keys(std::string_view subject,
                                                   std::string_view key_prefix,
                                                   std::string_view after, steady_time deadline) {
    server& at = parts_.server_of(subject);
    requests look = at.begin();
    for (std::size_t shard = 0; shard < shards; ++shard)
        look.get(parts_.naming.index(subject, shard));
    const result<answered> got = co_await at.ask(std::move(look), deadline);
    if (got.has_error()) co_return parts_.nothing_changed(got.error(), deadline);
    const system_time now = parts_.now();
    const std::string begin = first_listed(key_prefix, after);
    const std::string end = end_listed(key_prefix);
    std::vector<std::string> out;
    for (const reply& found : got->replies) {
        if (found.kind == reply_kind::missing) continue;
        if (found.kind != reply_kind::value)
            co_return parts_.nothing_changed(to_error(found), deadline);
        const auto entries = decode_index(found.value, subject);
        if (entries.has_error()) co_return entries.error();
        for (const auto& [key, until] : latest(*entries, now))
            if (key >= begin && key < end) out.emplace_back(key);
    }
    std::ranges::sort(out);
    co_return out;
}

}  // namespace lethe::store::memcached
