#include "idempotency/operation.hpp"

#include <algorithm>
#include <utility>

namespace lethe::idempotency {
namespace {

constexpr std::size_t keys_per_page = 64;
constexpr int tries_max = 32;

std::string key_of(std::string_view id) {
    return std::string(record_prefix) + std::string(id);
}

bool is_unknown(const key_record& of, system_time now) noexcept {
    return of.state == record_state::unknown ||
           (of.state == record_state::claimed && !of.result && now >= of.lease_until);
}

listed_key describe_key(std::string_view key, const store::record& stored, const key_record& of,
                        system_time now) {
    return {.id = std::string(key.substr(record_prefix.size())),
            .subject = stored.subject,
            .state = of.answers(now) ? record_state::done : of.state,
            .unknown = is_unknown(of, now),
            .epoch = of.epoch,
            .created = of.created,
            .lease_until = of.lease_until,
            .expires = of.expires,
            .status = of.result ? of.result->status : 0,
            .has_body = of.result && of.result->has_body()};
}

// The same record with another value, for as long as it would have lived.
store::put replace(std::string key, const store::record& stored, const key_record& by,
                   std::string subject, system_time now) {
    return {.key = std::move(key),
            .value = encode_record(by),
            .ttl = std::max(stored.expires - now, std::chrono::milliseconds{1}),
            .expect = stored.version,
            .subject = std::move(subject)};
}

struct page_of_keys {
    std::vector<std::string> keys;
    std::vector<store::answer> answers;
    bool more = false;
};

task<page_of_keys> read_page(store::store& in, std::string subject, std::string after,
                             steady_time deadline) {
    result<store::subject_page> page = co_await in.list_subject(
        std::move(subject), std::string(record_prefix), std::move(after), keys_per_page, deadline);
    if (page.has_error()) co_return page.error();
    page_of_keys out{.keys = std::move(page->keys), .answers = {}, .more = page->more};
    if (out.keys.empty()) co_return out;
    std::vector<store::operation> reads;
    for (const std::string& key : out.keys) reads.emplace_back(store::get{key});
    result<std::vector<store::answer>> answers = co_await in.batch(std::move(reads), deadline);
    if (answers.has_error()) co_return answers.error();
    out.answers = *std::move(answers);
    co_return out;
}

}  // namespace

task<std::optional<listed_key>> look_at_key(store::store& in, clock& time, std::string id,
                                            steady_time deadline) {
    const std::string key = key_of(id);
    const result<std::optional<store::record>> stored = co_await in.read(key, deadline);
    if (stored.has_error()) co_return stored.error();
    if (!*stored) co_return std::optional<listed_key>{};
    const result<key_record> read = decode_record((*stored)->value);
    if (read.has_error()) co_return read.error();
    co_return std::optional(describe_key(key, **stored, *read, time.system_now()));
}

task<std::vector<listed_key>> list_keys(store::store& in, clock& time, std::string subject,
                                        steady_time deadline) {
    std::vector<listed_key> out;
    std::string after;
    for (bool more = true; more;) {
        const result<page_of_keys> page = co_await read_page(in, subject, after, deadline);
        if (page.has_error()) co_return page.error();
        for (std::size_t i = 0; i < page->keys.size(); ++i) {
            const std::optional<store::record>& stored = page->answers[i].present;
            if (!stored || stored->subject != subject) continue;
            const result<key_record> read = decode_record(stored->value);
            if (read.has_value())
                out.push_back(describe_key(page->keys[i], *stored, *read, time.system_now()));
        }
        more = page->more && !page->keys.empty();
        if (more) after = page->keys.back();
    }
    co_return out;
}

task<settlement> settle_key(store::store& in, clock& time, random_source& random, std::string id,
                            std::optional<outcome> found, steady_time deadline) {
    const std::string key = key_of(id);
    for (int i = 0; i < tries_max; ++i) {
        const result<std::optional<store::record>> stored = co_await in.read(key, deadline);
        if (stored.has_error()) co_return stored.error();
        if (!*stored) co_return settlement::not_found;
        result<key_record> read = decode_record((*stored)->value);
        if (read.has_error()) co_return read.error();
        const system_time now = time.system_now();
        if (!is_unknown(*read, now)) co_return settlement::not_unknown;
        read->state = found ? record_state::done : record_state::released;
        read->result = found;
        // Another claim than the one that may still be under way somewhere.
        read->nonce = random.bytes(nonce_bytes);
        read->epoch += 1;
        const result<store::answer> put =
            co_await in.run(replace(key, **stored, *read, (*stored)->subject, now), deadline);
        if (put.has_error()) co_return put.error();
        if (put->done) co_return settlement::settled;
    }
    co_return LETHE_ERR(store::errc::overloaded);
}

task<std::size_t> forget_answers(store::store& in, clock& time, std::string subject,
                                 steady_time deadline) {
    std::size_t forgotten = 0;
    std::string after;
    for (bool more = true; more;) {
        const result<page_of_keys> page = co_await read_page(in, subject, after, deadline);
        if (page.has_error()) co_return page.error();
        std::vector<store::operation> writes;
        for (std::size_t i = 0; i < page->keys.size(); ++i) {
            const std::optional<store::record>& stored = page->answers[i].present;
            if (!stored || stored->subject != subject) continue;
            result<key_record> read = decode_record(stored->value);
            if (read.has_error()) {
                // Whatever it is, it is the person's.
                writes.emplace_back(store::erase{page->keys[i], stored->version});
                continue;
            }
            if (read->state == record_state::claimed && read->result) {
                // Whoever is about to replace it would put it back: it holds no claim any more.
                read->state = record_state::done;
                read->epoch += 1;
            }
            if (read->result) {
                read->result->header.clear();
                read->result->origin.clear();
                read->result->body.reset();
                read->result->blob.reset();  // its pieces carry the subject, too
            }
            writes.emplace_back(
                replace(page->keys[i], *stored, *read, std::string(), time.system_now()));
        }
        more = page->more && !page->keys.empty();
        if (more) after = page->keys.back();
        if (writes.empty()) continue;
        const result<std::vector<store::answer>> answers =
            co_await in.batch(std::move(writes), deadline);
        if (answers.has_error()) co_return answers.error();
        const auto done = std::ranges::count_if(*answers, [](const auto& a) { return a.done; });
        forgotten += static_cast<std::size_t>(done);
        // What was changed in between is still the person's: from the beginning.
        if (static_cast<std::size_t>(done) < answers->size()) {
            after.clear();
            more = true;
        }
    }
    co_return forgotten;
}

}  // namespace lethe::idempotency
