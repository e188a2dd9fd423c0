#include "library/outcome_table.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace lethe::library {
namespace {

std::int64_t milliseconds_of(system_time at) {
    return at.time_since_epoch().count();
}

// The first 8 of the id's bytes. Two keys that share them wait for one another, no more.
std::int64_t lock_number(const std::string& id) {
    std::int64_t number = 0;
    std::memcpy(&number, id.data(), std::min(sizeof number, id.size()));
    return number;
}

result<kept_outcome> read_row(const std::vector<sql_value>& row) {
    kept_outcome out;
    std::optional<std::string> subject;
    std::int64_t forget_at = 0;
    sql_bytes id;
    sql_bytes record;
    if (row.size() != 4 || !internal::read_column(row[0], id) ||
        !internal::read_column(row[1], subject) || !internal::read_column(row[2], forget_at) ||
        !internal::read_column(row[3], record))
        return make_error_code(sql_errc::wrong_type);
    LETHE_TRY(out.record, idempotency::decode_record(record.data));
    out.id = std::move(id.data);
    out.subject = subject.value_or("");
    out.forget_at = system_time{std::chrono::milliseconds{forget_at}};
    return out;
}

}  // namespace

result<> make_outcome_table(internal::database_parts& in) {
    {
        const std::lock_guard lock(in.mutex);
        if (in.has_outcomes) return {};
    }
    LETHE_TRY(open_transaction open, in.begin(transaction_kind::writing));
    sql_connection& on = open.on();
    if (!on.has_table("lethe_outcomes")) {
        LETHE_TRY_VOID(on.lock_schema());
        const std::string bytes(on.bytes_type());
        const std::array<std::string, 3> statements = {
            "CREATE TABLE IF NOT EXISTS lethe_outcomes (id " + bytes +
                " PRIMARY KEY, subject TEXT, forget_at BIGINT NOT NULL, record " + bytes +
                " NOT NULL)",
            "CREATE INDEX IF NOT EXISTS lethe_outcomes_forget_at ON lethe_outcomes (forget_at)",
            "CREATE INDEX IF NOT EXISTS lethe_outcomes_subject ON lethe_outcomes (subject)"};
        for (const std::string& statement : statements) {
            const auto done = on.run(statement, {});
            if (done.has_error()) return done.error();
        }
        LETHE_TRY_VOID(on.commit());
    }
    const std::lock_guard lock(in.mutex);
    in.has_outcomes = true;
    return {};
}

result<looked_up> look_up(sql_connection& on, const std::string& id) {
    looked_up out;
    LETHE_TRY(out.lock, on.try_lock(lock_number(id)));
    if (out.lock == lock_state::held_by_another) return out;
    const sql_value bound[] = {sql_bytes{id}};
    LETHE_TRY(
        const internal::sql_answer got,
        on.run("SELECT id, subject, forget_at, record FROM lethe_outcomes WHERE id = $1", bound));
    if (got.rows.empty()) return out;
    LETHE_TRY(out.found, read_row(got.rows.front()));
    return out;
}

result<> keep(sql_connection& on, const kept_outcome& what) {
    const sql_value bound[] = {
        sql_bytes{what.id}, what.subject.empty() ? sql_value(nullptr) : sql_value(what.subject),
        milliseconds_of(what.forget_at), sql_bytes{idempotency::encode_record(what.record)}};
    const auto done = on.run(
        "INSERT INTO lethe_outcomes (id, subject, forget_at, record) "
        "VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET "
        "subject = excluded.subject, forget_at = excluded.forget_at, "
        "record = excluded.record",
        bound);
    if (done.has_error()) return done.error();
    return {};
}

result<std::size_t> forget_old(sql_connection& on, system_time now, std::int64_t count_max) {
    const sql_value bound[] = {milliseconds_of(now), count_max};
    LETHE_TRY(const internal::sql_answer done,
              on.run("DELETE FROM lethe_outcomes WHERE forget_at < $1 AND id IN (SELECT id FROM "
                     "lethe_outcomes WHERE forget_at < $1 LIMIT $2)",
                     bound));
    return static_cast<std::size_t>(done.changed);
}

result<std::size_t> erase_person(sql_connection& on, std::string_view subject) {
    const sql_value bound[] = {std::string(subject)};
    LETHE_TRY(const internal::sql_answer got,
              on.run("SELECT id FROM lethe_outcomes WHERE subject = $1 ORDER BY id", bound));
    std::size_t count = 0;
    for (const std::vector<sql_value>& row : got.rows) {
        sql_bytes id;
        if (row.size() != 1 || !internal::read_column(row.front(), id))
            return make_error_code(sql_errc::wrong_type);
        LETHE_TRY(looked_up seen, look_up(on, id.data));
        // Somebody works on it: all of it again, a little later.
        if (seen.lock == lock_state::held_by_another) return make_error_code(sql_errc::busy);
        if (!seen.found) continue;
        seen.found->subject.clear();
        if (seen.found->record.result) {
            seen.found->record.result->header.clear();
            seen.found->record.result->origin.clear();
            seen.found->record.result->body.reset();
        }
        LETHE_TRY_VOID(keep(on, *seen.found));
        ++count;
    }
    return count;
}

}  // namespace lethe::library
