#include "store/memcached/records.hpp"

#include "store/rules.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace lethe::store::memcached {
namespace {

using std::chrono::milliseconds;

// Pieces stay a little longer than the manifest that names them.
constexpr std::chrono::seconds pieces_longer{10};

milliseconds longer(milliseconds life) {
    constexpr milliseconds far = std::chrono::hours{24 * 365 * 1000};
    return std::min(life, far) + pieces_longer;
}

bool was_faster(const reply& other) {
    return other.kind == reply_kind::not_stored || other.kind == reply_kind::exists ||
           other.kind == reply_kind::missing;
}

}  // namespace

struct records::place {
    server& at;
    names::of_record named;
    std::string_view key;
};

// What a look has found.
struct records::seen {
    std::unique_ptr<std::string> bytes;  // what `item` is views into
    record_item item;
    std::string value;  // of a large record, once it is complete
    bool there = false;
    bool live = false;
    std::uint64_t cas = 0;
    connection_number connection = 0;

    [[nodiscard]] std::optional<record_version> version() const {
        return live ? std::optional(item.version) : std::nullopt;
    }
    [[nodiscard]] record to_record() && {
        return {.value = item.piece_bytes > 0 ? std::move(value) : std::string(item.value),
                .version = item.version,
                .expires = item.expires,
                .subject = std::string(item.subject)};
    }
};

// A put on its way.
struct records::writing {
    const put& one;
    place at;
    record_item item;
    bool indexed = false;
    bool pieces_sent = false;
};

records::place records::place_of(std::string_view key) const {
    return {.at = parts_.server_of(key), .named = parts_.naming.record(key), .key = key};
}

record_version records::draw_version() const {
    record_version out;
    unsigned char bytes[sizeof out.number];
    while (out.number == 0) {
        parts_.on.random().fill(bytes);
        std::memcpy(&out.number, bytes, sizeof bytes);
    }
    return out;
}

// ---- looking

result<records::seen> records::judge(const place& of, const reply& found) const {
    seen out;
    if (found.kind == reply_kind::missing) return out;
    if (found.kind != reply_kind::value || !found.cas) return to_error(found);
    LETHE_TRY(out.item, decode_record(found.value));
    if (out.item.key != (of.named.hashed ? of.key : std::string_view{}))
        return LETHE_ERR(errc::corrupt);
    out.there = true;
    out.live = alive(out.item.expires, parts_.now());
    out.cas = *found.cas;
    return out;
}

task<records::seen> records::look(const place& of, steady_time deadline) {
    requests what = of.at.begin();
    what.get(of.named.name);
    result<answered> got = co_await of.at.ask(std::move(what), deadline);
    if (got.has_error()) co_return parts_.nothing_changed(got.error(), deadline);
    result<seen> out = judge(of, got->replies.front());
    if (out.has_error()) co_return parts_.nothing_changed(out.error(), deadline);
    out->bytes = std::move(got->bytes);
    out->connection = got->connection;
    co_return out;
}

task<records::completed> records::complete(const place& of, seen& found, steady_time deadline) {
    const std::size_t pieces = found.item.pieces();
    if (pieces == 0) co_return completed::yes;
    requests what = of.at.begin();
    for (std::size_t i = 0; i < pieces; ++i)
        what.get(parts_.naming.piece(of.key, found.item.version, i));
    const result<answered> got = co_await of.at.ask(std::move(what), deadline);
    if (got.has_error()) co_return parts_.nothing_changed(got.error(), deadline);
    std::string value;
    value.reserve(found.item.total_bytes);
    for (std::size_t i = 0; i < pieces; ++i) {
        const reply& one = got->replies[i];
        if (one.kind == reply_kind::missing) {
            const result<> forgotten = co_await forget(of, found, deadline);
            if (forgotten.has_error()) co_return forgotten.error();
            co_return completed::no;
        }
        if (one.kind != reply_kind::value)
            co_return parts_.nothing_changed(to_error(one), deadline);
        const auto bytes = decode_piece(one.value, found.item.version, i);
        if (bytes.has_error()) co_return bytes.error();
        value += *bytes;
    }
    if (value.size() != found.item.total_bytes) co_return LETHE_ERR(errc::corrupt);
    found.value = std::move(value);
    co_return completed::yes;
}

task<> records::forget(const place& of, const seen& found, steady_time deadline) {
    if (of.at.connection() != found.connection) co_return result<>{};
    requests what = of.at.begin();
    what.erase(of.named.name, found.cas);
    const result<answered> got = co_await of.at.ask(std::move(what), deadline);
    if (got.has_error()) co_return parts_.nothing_changed(got.error(), deadline);
    co_return result<>{};
}

task<std::vector<bool>> records::belong(std::vector<std::string> keys, std::string_view subject,
                                        steady_time deadline) {
    std::vector<bool> out(keys.size(), false);
    for (const auto& at : parts_.servers) {
        requests what = at->begin();
        std::vector<std::size_t> asked;
        for (std::size_t i = 0; i < keys.size(); ++i) {
            const place of = place_of(keys[i]);
            if (&of.at != at.get()) continue;
            what.get(of.named.name);
            asked.push_back(i);
        }
        if (asked.empty()) continue;
        const result<answered> got = co_await at->ask(std::move(what), deadline);
        if (got.has_error()) co_return parts_.nothing_changed(got.error(), deadline);
        for (std::size_t i = 0; i < asked.size(); ++i) {
            const result<seen> found = judge(place_of(keys[asked[i]]), got->replies[i]);
            if (found.has_error()) co_return parts_.nothing_changed(found.error(), deadline);
            out[asked[i]] = found->live && found->item.subject == subject;
        }
    }
    co_return out;
}

// ---- pieces

task<> records::write_pieces(const writing& what, steady_time deadline) {
    requests pieces = what.at.at.begin();
    const std::int64_t exptime = exptime_of(longer(what.one.ttl), parts_.real_now());
    const std::string_view value = what.one.value;
    for (std::size_t i = 0; i < what.item.pieces(); ++i)
        pieces.set(parts_.naming.piece(what.at.key, what.item.version, i),
                   encode_piece(what.item.version, i,
                                value.substr(i * what.item.piece_bytes, what.item.piece_bytes)),
                   {.exptime = exptime});
    const result<answered> got = co_await what.at.at.ask(std::move(pieces), deadline);
    if (got.has_error()) co_return parts_.nothing_changed(got.error(), deadline);
    for (const reply& one : got->replies)
        if (one.kind != reply_kind::done) co_return parts_.nothing_changed(to_error(one), deadline);
    co_return result<>{};
}

task<records::completed> records::prolong_pieces(const place& of, const seen& found,
                                                 milliseconds life, steady_time deadline) {
    const std::size_t pieces = found.item.pieces();
    // Never sooner: another touch, to a later time, may be under way. What is left when the record
    // ends sooner is dropped by the server.
    if (pieces == 0 || expiry_after(parts_.now(), life) <= found.item.expires)
        co_return completed::yes;
    requests what = of.at.begin();
    const std::int64_t exptime = exptime_of(longer(life), parts_.real_now());
    for (std::size_t i = 0; i < pieces; ++i)
        what.prolong(parts_.naming.piece(of.key, found.item.version, i), exptime);
    const result<answered> got = co_await of.at.ask(std::move(what), deadline);
    if (got.has_error()) co_return parts_.nothing_changed(got.error(), deadline);
    for (const reply& one : got->replies) {
        if (one.kind == reply_kind::done) continue;
        if (one.kind != reply_kind::missing)
            co_return parts_.nothing_changed(to_error(one), deadline);
        const result<> forgotten = co_await forget(of, found, deadline);
        if (forgotten.has_error()) co_return forgotten.error();
        co_return completed::no;
    }
    co_return completed::yes;
}

// Only to free room: what is not dropped here ends by its time.
task<> records::drop_pieces(const place& of, record_version version, std::size_t pieces,
                            steady_time deadline) {
    if (pieces == 0) co_return result<>{};
    requests what = of.at.begin();
    for (std::size_t i = 0; i < pieces; ++i) what.erase(parts_.naming.piece(of.key, version, i));
    const result<answered> got = co_await of.at.ask(std::move(what), deadline);
    if (got.has_error()) co_return got.error();
    co_return result<>{};
}

// ---- the operations

task<answer> records::run_get(const get& one, steady_time deadline) {
    const place of = place_of(one.key);
    while (true) {
        result<seen> found = co_await look(of, deadline);
        if (found.has_error()) co_return found.error();
        answer out{.done = true};
        if (!found->live) co_return out;
        const result<completed> whole = co_await complete(of, *found, deadline);
        if (whole.has_error()) co_return whole.error();
        if (*whole == completed::no) continue;
        out.present = std::move(*found).to_record();
        co_return out;
    }
}

task<answer> records::run_put(const put& one, steady_time deadline) {
    writing what{.one = one, .at = place_of(one.key), .item = {}};
    const result<> known = co_await what.at.at.learn_limits(deadline);
    if (known.has_error()) co_return known.error();
    what.item = {.version = draw_version(),
                 .expires = expiry_after(parts_.now(), one.ttl),
                 .subject = one.subject,
                 .key = what.at.named.hashed ? std::string_view(one.key) : std::string_view{},
                 .value = one.value,
                 .total_bytes = one.value.size()};
    if (!split_for(what.item, what.at.at.item_bytes_max())) co_return LETHE_ERR(errc::too_large);
    result<answer> out = co_await write(what, deadline);
    const bool unused = out.has_error() ? out.error() != condition::outcome_unknown : !out->done;
    if (what.pieces_sent && unused)
        static_cast<void>(
            co_await drop_pieces(what.at, what.item.version, what.item.pieces(), deadline));
    co_return out;
}

task<answer> records::write(writing& what, steady_time deadline) {
    const put& one = what.one;
    const bool any = std::holds_alternative<anything>(one.expect);
    seen found;
    // Most keys that must be absent are: then one request is enough.
    bool look_first =
        !any && (what.item.pieces() > 0 || !std::holds_alternative<absent>(one.expect));
    while (true) {
        if (look_first) {
            result<seen> looked = co_await look(what.at, deadline);
            if (looked.has_error()) co_return looked.error();
            found = *std::move(looked);
            if (!holds(one.expect, found.version())) {
                answer conflict;
                if (!found.live) co_return conflict;
                const result<completed> whole = co_await complete(what.at, found, deadline);
                if (whole.has_error()) co_return whole.error();
                if (*whole == completed::no) continue;
                conflict.present = std::move(found).to_record();
                co_return conflict;
            }
        }
        if (!one.subject.empty() && !std::exchange(what.indexed, true)) {
            const result<> added =
                co_await index_.add(one.subject, one.key, what.item.expires, deadline);
            if (added.has_error()) co_return added.error();
        }
        if (what.item.pieces() > 0 && !std::exchange(what.pieces_sent, true)) {
            const result<> written = co_await write_pieces(what, deadline);
            if (written.has_error()) co_return written.error();
        }
        // An expired item that is still there is replaced exactly as seen, like a live one.
        set_how how{.exptime = exptime_of(one.ttl, parts_.real_now())};
        if (!any && found.there) how.cas = found.cas;
        if (!any && !found.there) how.mode = set_mode::add;
        look_first = !any;
        if (how.cas && what.at.at.connection() != found.connection) continue;
        requests set = what.at.at.begin();
        set.set(what.at.named.name, encode_record(what.item), how);
        const result<answered> got = co_await what.at.at.ask(std::move(set), deadline);
        if (got.has_error()) co_return got.error();
        const reply& said = got->replies.front();
        if (was_faster(said)) continue;
        // A server without room refuses; it has then forgotten what was there before, as it may at
        // any time.
        if (said.kind != reply_kind::done) co_return to_error(said);
        if (found.there)
            static_cast<void>(
                co_await drop_pieces(what.at, found.item.version, found.item.pieces(), deadline));
        co_return answer{.done = true, .version = what.item.version};
    }
}

// Reads what it erases, in one round trip, to know the pieces. What another writes exactly between
// the two leaves pieces that nobody finds, until their time.
task<answer> records::erase_any(const place& of, steady_time deadline) {
    requests what = of.at.begin();
    what.get(of.named.name);
    what.erase(of.named.name);
    const result<answered> got = co_await of.at.ask(std::move(what), deadline);
    if (got.has_error()) co_return got.error();
    const reply& erased = got->replies[1];
    if (erased.kind != reply_kind::done && erased.kind != reply_kind::missing)
        co_return to_error(erased);
    const result<seen> found = judge(of, got->replies[0]);
    if (found.has_value() && found->there)
        static_cast<void>(
            co_await drop_pieces(of, found->item.version, found->item.pieces(), deadline));
    co_return answer{.done = true};
}

task<answer> records::run_erase(const erase& one, steady_time deadline) {
    const place of = place_of(one.key);
    if (std::holds_alternative<anything>(one.expect)) {
        const result<answer> erased = co_await erase_any(of, deadline);
        co_return erased;
    }
    while (true) {
        result<seen> found = co_await look(of, deadline);
        if (found.has_error()) co_return found.error();
        if (!holds(one.expect, found->version())) {
            answer conflict;
            if (!found->live) co_return conflict;
            const result<completed> whole = co_await complete(of, *found, deadline);
            if (whole.has_error()) co_return whole.error();
            if (*whole == completed::no) continue;
            conflict.present = std::move(*found).to_record();
            co_return conflict;
        }
        if (of.at.connection() != found->connection) continue;
        requests what = of.at.begin();
        what.erase(of.named.name, found->cas);
        const result<answered> got = co_await of.at.ask(std::move(what), deadline);
        if (got.has_error()) co_return got.error();
        const reply& said = got->replies.front();
        if (was_faster(said)) continue;
        if (said.kind != reply_kind::done) co_return to_error(said);
        static_cast<void>(
            co_await drop_pieces(of, found->item.version, found->item.pieces(), deadline));
        co_return answer{.done = true};
    }
}

// Writes the same version again with another expiry, over exactly what was seen: a record that was
// erased meanwhile does not come back, and one that was put meanwhile is not lost.
task<answer> records::run_touch(const touch& one, steady_time deadline) {
    const place of = place_of(one.key);
    while (true) {
        result<seen> found = co_await look(of, deadline);
        if (found.has_error()) co_return found.error();
        if (!found->live) co_return answer{};
        record_item item = found->item;
        item.expires = expiry_after(parts_.now(), one.ttl);
        if (!item.subject.empty()) {
            const result<> added =
                co_await index_.add(item.subject, one.key, item.expires, deadline);
            if (added.has_error()) co_return added.error();
        }
        const result<completed> kept = co_await prolong_pieces(of, *found, one.ttl, deadline);
        if (kept.has_error()) co_return kept.error();
        if (*kept == completed::no || of.at.connection() != found->connection) continue;
        requests set = of.at.begin();
        set.set(of.named.name, encode_record(item),
                {.cas = found->cas, .exptime = exptime_of(one.ttl, parts_.real_now())});
        const result<answered> got = co_await of.at.ask(std::move(set), deadline);
        if (got.has_error()) co_return got.error();
        const reply& said = got->replies.front();
        if (was_faster(said)) continue;
        if (said.kind != reply_kind::done) co_return to_error(said);
        co_return answer{.done = true};
    }
}

task<answer> records::run(const operation& any, steady_time deadline) {
    if (const auto* one = std::get_if<get>(&any)) return run_get(*one, deadline);
    if (const auto* one = std::get_if<put>(&any)) return run_put(*one, deadline);
    if (const auto* one = std::get_if<erase>(&any)) return run_erase(*one, deadline);
    return run_touch(std::get<touch>(any), deadline);
}

}  // namespace lethe::store::memcached
