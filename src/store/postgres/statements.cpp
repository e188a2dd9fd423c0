#include "store/postgres/statements.hpp"

#include "store/postgres/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>

namespace lethe::store::postgres {
namespace {

// {0}: the table. {1}: now, in milliseconds; asked wherever it counts, so that a statement that
// waited for a lock judges by the time after it.
constexpr const char* now_text =
    "(floor(extract(epoch FROM clock_timestamp()) * 1000)::pg_catalog.int8)";

// Several operations of different keys, all or nothing, in one statement. What is there is locked
// by lethe_lock first. Where another put in a new record in between it would not do all of it: then
// the insert finds it there, or the last column divides by zero, and all is undone.
constexpr const char* transact_text =
    "WITH o AS MATERIALIZED ("
    "SELECT u.*, r.version AS before, r.expires > t.now AS live, t.now "
    "FROM (SELECT {1} AS now) t "
    "CROSS JOIN unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bigint[], "
    "$6::bigint[], $7::bytea[]) WITH ORDINALITY "
    "AS u (key, kind, expected, value, version, ttl, subject, place) "
    "LEFT JOIN {0} r ON r.key = u.key"
    "), judged AS MATERIALIZED ("
    "SELECT place, CASE kind WHEN 0 THEN true WHEN 1 THEN true WHEN 4 THEN true "
    "WHEN 2 THEN live IS NOT TRUE WHEN 6 THEN live IS TRUE "
    "ELSE live IS TRUE AND before = expected END AS ok FROM o"
    "), verdict AS MATERIALIZED (SELECT bool_and(ok) AS ok FROM judged), "
    "updated AS ("
    "UPDATE {0} r SET value = o.value, version = o.version, expires = o.now + o.ttl, "
    "subject = o.subject FROM o, verdict WHERE verdict.ok AND o.kind IN (1, 2, 3) "
    "AND r.key = o.key AND r.version = o.before RETURNING 1"
    "), inserted AS ("
    "INSERT INTO {0} (key, value, version, expires, subject) "
    "SELECT o.key, o.value, o.version, o.now + o.ttl, o.subject FROM o, verdict "
    "WHERE verdict.ok AND o.kind IN (1, 2, 3) AND o.before IS NULL RETURNING 1"
    "), touched AS ("
    "UPDATE {0} r SET expires = o.now + o.ttl FROM o, verdict WHERE verdict.ok AND o.kind = 6 "
    "AND r.key = o.key AND r.version = o.before RETURNING 1"
    "), erased AS ("
    "DELETE FROM {0} r USING o, verdict WHERE verdict.ok AND o.kind IN (4, 5) "
    "AND r.key = o.key AND r.version = o.before RETURNING 1"
    "), complete AS MATERIALIZED ("
    "SELECT 1 / (CASE WHEN NOT verdict.ok OR (SELECT count(*) FROM updated) + "
    "(SELECT count(*) FROM inserted) + (SELECT count(*) FROM touched) + "
    "(SELECT count(*) FROM erased) = (SELECT count(*) FROM o WHERE o.kind IN (1, 2, 3, 6) OR "
    "(o.kind IN (4, 5) AND o.before IS NOT NULL)) THEN 1 ELSE 0 END) AS one FROM verdict) "
    "SELECT j.ok, p.value, p.version, p.expires, p.subject, complete.one "
    "FROM complete CROSS JOIN judged j JOIN o USING (place) "
    "LEFT JOIN {0} p ON (o.kind = 0 OR NOT j.ok) AND p.key = o.key AND p.expires > o.now "
    "ORDER BY j.place";

struct text {
    const char* name;
    const char* sql;
};
// In the order of statement_id.
constexpr text texts[] = {
    {"lethe_get",
     "SELECT value, version, expires, subject FROM {0} WHERE key = $1::bytea AND expires > {1}"},
    {"lethe_get_locked",
     "SELECT value, version, expires, subject FROM {0} WHERE key = $1::bytea AND expires > {1} "
     "FOR UPDATE"},
    {"lethe_put_anything",
     "INSERT INTO {0} (key, value, version, expires, subject) "
     "VALUES ($1::bytea, $2::bytea, $3::bigint, {1} + $4::bigint, $5::bytea) "
     "ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, "
     "expires = {1} + $4::bigint, subject = excluded.subject"},
    // A live record costs no write, not even a lock: the insert is not begun.
    {"lethe_put_absent",
     "WITH present AS MATERIALIZED ("
     "SELECT value, version, expires, subject FROM {0} WHERE key = $1::bytea AND expires > {1}"
     "), changed AS ("
     "INSERT INTO {0} AS r (key, value, version, expires, subject) "
     "SELECT $1::bytea, $2::bytea, $3::bigint, {1} + $4::bigint, $5::bytea "
     "WHERE NOT EXISTS (SELECT FROM present) "
     "ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, "
     "expires = {1} + $4::bigint, subject = excluded.subject WHERE r.expires <= {1} "
     "RETURNING 1) "
     "SELECT d.done, p.value, p.version, p.expires, p.subject "
     "FROM (SELECT EXISTS (SELECT FROM changed) AS done) d LEFT JOIN present p ON NOT d.done"},
    {"lethe_put_version",
     "WITH changed AS ("
     "UPDATE {0} SET value = $2::bytea, version = $3::bigint, expires = {1} + $4::bigint, "
     "subject = $5::bytea WHERE key = $1::bytea AND version = $6::bigint AND expires > {1} "
     "RETURNING 1) "
     "SELECT d.done, p.value, p.version, p.expires, p.subject "
     "FROM (SELECT EXISTS (SELECT FROM changed) AS done) d "
     "LEFT JOIN {0} p ON NOT d.done AND p.key = $1::bytea AND p.expires > {1}"},
    {"lethe_erase_anything", "DELETE FROM {0} WHERE key = $1::bytea"},
    {"lethe_erase_version",
     "WITH changed AS ("
     "DELETE FROM {0} WHERE key = $1::bytea AND version = $2::bigint AND expires > {1} "
     "RETURNING 1) "
     "SELECT d.done, p.value, p.version, p.expires, p.subject "
     "FROM (SELECT EXISTS (SELECT FROM changed) AS done) d "
     "LEFT JOIN {0} p ON NOT d.done AND p.key = $1::bytea AND p.expires > {1}"},
    {"lethe_touch",
     "UPDATE {0} SET expires = {1} + $2::bigint WHERE key = $1::bytea AND expires > {1}"},
    // The empty subject is named so that the partial index may be used.
    {"lethe_list",
     "SELECT key FROM {0} WHERE subject = $1::bytea AND subject <> ''::bytea AND key >= $2::bytea "
     "AND key < $3::bytea AND expires > {1} ORDER BY subject, key LIMIT $4::bigint"},
    {"lethe_scan",
     "SELECT key FROM {0} WHERE key > $1::bytea AND expires > {1} ORDER BY key LIMIT $2::bigint"},
    // Rows that somebody works on are left for the next time: nobody waits for a purge.
    {"lethe_purge",
     "DELETE FROM {0} WHERE key = ANY (ARRAY("
     "SELECT key FROM {0} WHERE expires_slot <= {1} / 600000 AND expires <= {1} "
     "ORDER BY expires_slot LIMIT $1::bigint FOR UPDATE SKIP LOCKED))"},
    // One gateway at a time, and only slots that are over as a whole: no live row is looked at.
    {"lethe_purge_by_turns",
     "DELETE FROM {0} WHERE key = ANY (ARRAY("
     "SELECT key FROM {0} WHERE (SELECT pg_try_advisory_xact_lock({2})) "
     "AND expires_slot < {1} / 600000 AND expires <= {1} "
     "ORDER BY expires_slot LIMIT $1::bigint FOR UPDATE SKIP LOCKED))"},
    {"lethe_ping",
     "SELECT current_setting('transaction_read_only') = 'on' FROM (SELECT 1) one "
     "LEFT JOIN {0} r ON r.key = ''::bytea"},
    {"lethe_lock", "SELECT FROM {0} WHERE key = ANY ($1::bytea[]) ORDER BY key FOR UPDATE"},
    {"lethe_transact", transact_text},
    {"lethe_begin", "BEGIN"},
    {"lethe_commit", "COMMIT"},
    {"lethe_rollback", "ROLLBACK"},
};
static_assert(std::size(texts) == statement_count);

constexpr std::int64_t purge_lock = 0x6C65746865'0002;
// With now() added it still fits.
constexpr std::chrono::milliseconds ttl_max{std::int64_t{1} << 62};

class number_text {
 public:
    explicit number_text(std::int64_t number) noexcept {
        auto bits = std::bit_cast<std::uint64_t>(number);
        for (std::size_t i = bytes_.size(); i-- > 0; bits >>= 8)
            bytes_[i] = static_cast<char>(bits & 0xFF);
    }
    [[nodiscard]] std::string_view view() const noexcept { return {bytes_.data(), bytes_.size()}; }

 private:
    std::array<char, 8> bytes_{};
};

std::optional<std::int64_t> to_number(std::string_view bytes) {
    if (bytes.size() != 8) return std::nullopt;
    std::uint64_t bits = 0;
    for (const char byte : bytes) bits = bits << 8 | static_cast<unsigned char>(byte);
    return std::bit_cast<std::int64_t>(bits);
}

std::int64_t to_signed(record_version version) {
    return std::bit_cast<std::int64_t>(version.number);
}

result<record> to_record(const rows& got, std::size_t row, std::size_t column) {
    const std::optional<std::int64_t> version = to_number(got.at(row, column + 1));
    const std::optional<std::int64_t> expires = to_number(got.at(row, column + 2));
    if (!version || !expires) return LETHE_ERR(errc::corrupt);
    return record{.value = std::string(got.at(row, column)),
                  .version = {std::bit_cast<std::uint64_t>(*version)},
                  .expires = system_time{std::chrono::milliseconds{*expires}},
                  .subject = std::string(got.at(row, column + 3))};
}

// An array of one dimension as PostgreSQL sends it.
class array_text {
 public:
    enum class type : std::uint8_t { bytea = 17, int8 = 20 };

    array_text(type of, std::size_t count) {
        add_number(1);
        add_number(0);  // no element is null
        add_number(static_cast<std::uint32_t>(of));
        add_number(static_cast<std::uint32_t>(count));
        add_number(1);  // the first index
    }
    void add(std::string_view element) {
        add_number(static_cast<std::uint32_t>(element.size()));
        bytes_ += element;
    }
    void add(std::int64_t number) { add(number_text(number).view()); }
    [[nodiscard]] std::string_view view() const noexcept { return bytes_; }

 private:
    void add_number(std::uint32_t number) {
        for (int shift = 24; shift >= 0; shift -= 8)
            bytes_ += static_cast<char>(number >> shift & 0xFF);
    }
    std::string bytes_;
};

// As the statement names them.
std::int64_t kind_of(statement_id id) {
    switch (id) {
        case statement_id::put_anything: return 1;
        case statement_id::put_absent: return 2;
        case statement_id::put_version: return 3;
        case statement_id::erase_anything: return 4;
        case statement_id::erase_version: return 5;
        case statement_id::touch: return 6;
        default: return 0;
    }
}

record_version version_given(const statement& asked) {
    const bool is_put = asked.id == statement_id::put_anything ||
                        asked.id == statement_id::put_absent ||
                        asked.id == statement_id::put_version;
    return {is_put ? std::bit_cast<std::uint64_t>(asked.numbers[0]) : 0};
}

result<> send_transact(connection& to, std::span<const statement> parts) {
    using enum array_text::type;
    const std::size_t count = parts.size();
    array_text keys(bytea, count);
    array_text kinds(int8, count);
    array_text expected(int8, count);
    array_text values(bytea, count);
    array_text versions(int8, count);
    array_text ttls(int8, count);
    array_text subjects(bytea, count);
    for (const statement& one : parts) {
        const bool touches = one.id == statement_id::touch;
        keys.add(one.key);
        kinds.add(kind_of(one.id));
        expected.add(one.expected);
        values.add(one.value);
        versions.add(touches ? 0 : one.numbers[0]);
        ttls.add(touches ? one.numbers[0] : one.numbers[1]);
        subjects.add(one.subject);
    }
    const std::array<std::string_view, 7> all = {keys.view(),    kinds.view(),    expected.view(),
                                                 values.view(),  versions.view(), ttls.view(),
                                                 subjects.view()};
    return to.send(name_of(statement_id::transact), all);
}

std::int64_t limited(std::chrono::milliseconds ttl) {
    return std::min(ttl, ttl_max).count();
}

statement put_statement(const put& one, record_version version) {
    statement out{.id = statement_id::put_anything,
                  .key = one.key,
                  .value = one.value,
                  .subject = one.subject,
                  .numbers = {to_signed(version), limited(one.ttl)}};
    if (std::holds_alternative<absent>(one.expect)) out.id = statement_id::put_absent;
    if (const auto* wanted = std::get_if<record_version>(&one.expect)) {
        out.id = statement_id::put_version;
        out.expected = to_signed(*wanted);
    }
    return out;
}

}  // namespace

const char* name_of(statement_id id) noexcept {
    return texts[static_cast<std::size_t>(id)].name;
}

std::string text_of(statement_id id, const std::string& schema) {
    return fmt::format(fmt::runtime(texts[static_cast<std::size_t>(id)].sql), records_table(schema),
                       now_text, purge_lock);
}

statement to_statement(const operation& any, record_version version, bool locked) {
    if (const put* one = std::get_if<put>(&any)) return put_statement(*one, version);
    if (const erase* one = std::get_if<erase>(&any)) {
        const auto* wanted = std::get_if<record_version>(&one->expect);
        if (wanted == nullptr) return {.id = statement_id::erase_anything, .key = one->key};
        return {.id = statement_id::erase_version, .key = one->key, .expected = to_signed(*wanted)};
    }
    if (const touch* one = std::get_if<touch>(&any))
        return {.id = statement_id::touch, .key = one->key, .numbers = {limited(one->ttl), 0}};
    return {.id = locked ? statement_id::get_locked : statement_id::get,
            .key = std::get<get>(any).key};
}

statement transact_statement(std::span<const statement> parts) {
    return {.id = statement_id::transact, .key = parts.front().key, .parts = parts};
}

statement list_statement(std::string_view subject, std::string_view first, std::string_view end,
                         std::size_t keys) {
    return {.id = statement_id::list,
            .key = first,
            .value = end,
            .subject = subject,
            .numbers = {static_cast<std::int64_t>(keys), 0}};
}

statement scan_statement(std::string_view after, std::size_t keys) {
    return {
        .id = statement_id::scan, .key = after, .numbers = {static_cast<std::int64_t>(keys), 0}};
}

result<> send_lock(connection& to, std::span<const std::string_view> keys) {
    array_text all(array_text::type::bytea, keys.size());
    for (const std::string_view key : keys) all.add(key);
    const std::array<std::string_view, 1> arguments = {all.view()};
    return to.send(name_of(statement_id::lock), arguments);
}

result<> send(connection& to, const statement& one) {
    if (one.id == statement_id::transact) return send_transact(to, one.parts);
    const number_text first(one.numbers[0]);
    const number_text second(one.numbers[1]);
    const number_text expected(one.expected);
    std::array<std::string_view, 6> all{};
    std::size_t count = 0;
    const auto add = [&](std::string_view value) { all[count++] = value; };
    switch (one.id) {
        case statement_id::put_anything:
        case statement_id::put_absent:
        case statement_id::put_version:
            add(one.key);
            add(one.value);
            add(first.view());
            add(second.view());
            add(one.subject);
            break;
        case statement_id::list:
            add(one.subject);
            add(one.key);
            add(one.value);
            add(first.view());
            break;
        case statement_id::get:
        case statement_id::get_locked:
        case statement_id::erase_anything: add(one.key); break;
        case statement_id::erase_version:
            add(one.key);
            add(expected.view());
            break;
        case statement_id::touch:
        case statement_id::scan:
            add(one.key);
            add(first.view());
            break;
        case statement_id::purge:
        case statement_id::purge_by_turns: add(first.view()); break;
        case statement_id::ping:
        case statement_id::lock:
        case statement_id::transact:
        case statement_id::begin:
        case statement_id::commit:
        case statement_id::rollback: break;
    }
    if (one.id == statement_id::put_version) add(expected.view());
    return to.send(name_of(one.id), std::span(all).first(count));
}

result<std::vector<outcome>> to_outcomes(const statement& asked, const rows& got) {
    const bool fits = got.size() == asked.parts.size() && got.columns() == 6;
    if (!fits) return LETHE_ERR(errc::corrupt);
    std::vector<outcome> out(asked.parts.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
        if (got.at(i, 0).size() != 1) return LETHE_ERR(errc::corrupt);
        answer& one = out[i].answered;
        one.done = got.at(i, 0)[0] != 0;
        if (one.done) one.version = version_given(asked.parts[i]);
        if (!got.is_null(i, 2) && asked.parts[i].id != statement_id::touch) {
            LETHE_TRY(one.present, to_record(got, i, 1));
        }
    }
    return out;
}

result<outcome> to_outcome(const statement& asked, const rows& got) {
    outcome out;
    const record_version version = version_given(asked);
    switch (asked.id) {
        case statement_id::get:
        case statement_id::get_locked: {
            out.answered.done = true;
            if (got.size() == 0) return out;
            if (got.columns() != 4) return LETHE_ERR(errc::corrupt);
            LETHE_TRY(out.answered.present, to_record(got, 0, 0));
            return out;
        }
        case statement_id::put_anything:
            out.answered = {.done = true, .version = version, .present = {}};
            return out;
        case statement_id::erase_anything: out.answered.done = true; return out;
        case statement_id::touch: out.answered.done = got.affected() == 1; return out;
        default: break;
    }
    if (got.size() != 1 || got.columns() != 5 || got.at(0, 0).size() != 1)
        return LETHE_ERR(errc::corrupt);
    if (got.at(0, 0)[0] != 0) {
        out.answered = {.done = true, .version = version, .present = {}};
        return out;
    }
    if (!got.is_null(0, 2)) {
        LETHE_TRY(out.answered.present, to_record(got, 0, 1));
    }
    // What stood in the way came after the snapshot; or what the snapshot shows is no longer so.
    if (asked.id == statement_id::put_absent)
        out.raced = !out.answered.present.has_value();
    else if (out.answered.present)
        out.raced = out.answered.present->version ==
                    record_version{std::bit_cast<std::uint64_t>(asked.expected)};
    return out;
}

std::vector<std::string> to_keys(const rows& got) {
    std::vector<std::string> out;
    out.reserve(got.size());
    for (std::size_t i = 0; i < got.size(); ++i) out.emplace_back(got.at(i, 0));
    return out;
}

}  // namespace lethe::store::postgres
