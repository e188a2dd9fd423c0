#include "session/subject.hpp"

#include "base/bytes.hpp"
#include "session/engine.hpp"
#include "session/record.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace lethe::session {
namespace {

constexpr std::string_view key_prefix = "s:";
constexpr std::size_t hash_bytes = 32;
constexpr std::size_t keys_per_page = 256;
// A session that is changed under us so often is looked at again by the caller.
constexpr int tries_max = 32;

std::string id_of(std::string_view key) {
    return to_hex(key.substr(key_prefix.size()));
}
std::optional<std::string> key_of(std::string_view id) {
    const result<std::string> hash = from_hex(id);
    if (hash.has_error() || hash->size() != hash_bytes) return std::nullopt;
    return std::string(key_prefix) + *hash;
}

bool is_live_session(const std::optional<store::record>& present, std::string_view subject) {
    if (!present || present->subject != subject) return false;
    const std::optional<outline> seen = read_outline(present->value);
    return seen && seen->kind == record_kind::session;
}

listed_session listed(std::string_view key, const store::record& record) {
    const outline seen = *read_outline(record.value);
    const system_time touched = record.expires - seen.idle_ttl;
    return {.id = id_of(key),
            .created = seen.created,
            .last_seen = std::max(seen.created, touched),
            .expires = record.expires};
}

store::put tombstone_of(std::string key, store::record_version expect) {
    return {.key = std::move(key),
            .value = make_tombstone(),
            .ttl = tombstone_ttl,
            .expect = expect,
            .subject = {}};
}

struct found_session {
    std::string key;
    store::record record;
};

// The live sessions on one page of the subject's keys.
task<std::vector<found_session>> read_page(store::store& in, std::vector<std::string> keys,
                                           std::string_view subject, steady_time deadline) {
    std::vector<store::operation> reads;
    for (const std::string& key : keys) reads.emplace_back(store::get{key});
    result<std::vector<store::answer>> answers = co_await in.batch(std::move(reads), deadline);
    if (answers.has_error()) co_return answers.error();
    std::vector<found_session> out;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        std::optional<store::record>& present = (*answers)[i].present;
        if (is_live_session(present, subject))
            out.push_back({std::move(keys[i]), *std::move(present)});
    }
    co_return out;
}

// One page of live sessions behind `after`, which moves on; "" at the end.
task<std::vector<found_session>> next_page(store::store& in, const std::string& subject,
                                           std::string& after, bool& more, steady_time deadline) {
    result<store::subject_page> page =
        co_await in.list_subject(subject, std::string(key_prefix), after, keys_per_page, deadline);
    if (page.has_error()) co_return page.error();
    more = page->more && !page->keys.empty();
    std::vector<found_session> none;
    if (page->keys.empty()) co_return none;
    after = page->keys.back();
    co_return co_await read_page(in, std::move(page->keys), subject, deadline);
}

}  // namespace

task<std::vector<listed_session>> list_sessions(store::store& in, std::string subject,
                                                steady_time deadline) {
    std::vector<listed_session> out;
    std::string after;
    for (bool more = true; more;) {
        const result<std::vector<found_session>> page =
            co_await next_page(in, subject, after, more, deadline);
        if (page.has_error()) co_return page.error();
        for (const found_session& one : *page) out.push_back(listed(one.key, one.record));
    }
    co_return out;
}

task<std::optional<shown_session>> show_session(store::store& in, std::string subject,
                                                std::string id, std::shared_ptr<const keyring> ring,
                                                steady_time deadline) {
    const std::optional<std::string> key = key_of(id);
    if (!key) co_return std::nullopt;
    const result<std::optional<store::record>> present = co_await in.read(*key, deadline);
    if (present.has_error()) co_return present.error();
    if (!is_live_session(*present, subject)) co_return std::nullopt;
    const std::string& value = (*present)->value;
    shown_session out{.it = listed(*key, **present),
                      .key_id = std::string(read_outline(value)->key_id),
                      .data = std::nullopt};
    if (out.key_id.empty() || !ring || ring->find(out.key_id) == nullptr)
        co_return std::optional(std::move(out));
    result<opened_record> opened = open_with_keys(value, *key, ring.get());
    if (opened.has_error()) co_return opened.error();
    out.data = std::move(opened->data);
    co_return std::optional(std::move(out));
}

task<ending> end_session(store::store& in, std::string subject, std::string id,
                         steady_time deadline) {
    const std::optional<std::string> key = key_of(id);
    if (!key) co_return ending::not_found;
    for (int i = 0; i < tries_max; ++i) {
        const result<std::optional<store::record>> present = co_await in.read(*key, deadline);
        if (present.has_error()) co_return present.error();
        if (!is_live_session(*present, subject)) co_return ending::not_found;
        const result<store::answer> put =
            co_await in.run(tombstone_of(*key, (*present)->version), deadline);
        if (put.has_error()) co_return put.error();
        if (put->done) co_return ending::ended;
    }
    co_return LETHE_ERR(store::errc::overloaded);
}

task<std::size_t> end_sessions(store::store& in, std::string subject, steady_time deadline) {
    std::size_t ended = 0;
    bool found_any = true;
    while (found_any) {
        found_any = false;
        std::string after;
        for (bool more = true; more;) {
            result<std::vector<found_session>> page =
                co_await next_page(in, subject, after, more, deadline);
            if (page.has_error()) co_return page.error();
            if (page->empty()) continue;
            found_any = true;
            std::vector<store::operation> writes;
            for (found_session& one : *page)
                writes.emplace_back(tombstone_of(std::move(one.key), one.record.version));
            const result<std::vector<store::answer>> answers =
                co_await in.batch(std::move(writes), deadline);
            if (answers.has_error()) co_return answers.error();
            // What was changed in between is found again by the next round.
            ended += static_cast<std::size_t>(
                std::ranges::count_if(*answers, [](const store::answer& a) { return a.done; }));
        }
    }
    co_return ended;
}

}  // namespace lethe::session
