#include "store/postgres/schema.hpp"

#include <fmt/format.h>

#include <charconv>

namespace lethe::store::postgres {
namespace {

// For pg_advisory_xact_lock: any number of our own.
constexpr std::int64_t migration_lock = 0x6C65746865'0001;

// Rows live 10 minutes of expiry together in the index: a change within them touches no index, so
// that the server can put the new row beside the old one (a heap-only tuple).
constexpr const char* step_1 = R"(
CREATE TABLE {0}.lethe_meta (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    schema_version integer NOT NULL
);
COMMENT ON TABLE {0}.lethe_meta IS 'lethe: which version the tables of this schema are';
CREATE TABLE {0}.lethe_records (
    key bytea NOT NULL,
    value bytea NOT NULL,
    version bigint NOT NULL,
    expires bigint NOT NULL,
    subject bytea NOT NULL DEFAULT '',
    expires_slot bigint NOT NULL GENERATED ALWAYS AS (expires / 600000) STORED,
    PRIMARY KEY (key)
) WITH (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05
);
COMMENT ON TABLE {0}.lethe_records IS 'lethe: sessions, outcomes and other state';
COMMENT ON COLUMN {0}.lethe_records.expires IS 'milliseconds since 1970-01-01 UTC';
CREATE INDEX lethe_records_expires ON {0}.lethe_records (expires_slot);
CREATE INDEX lethe_records_subject ON {0}.lethe_records (subject, key) WHERE subject <> ''::bytea;
INSERT INTO {0}.lethe_meta (schema_version) VALUES (1);
)";
constexpr const char* steps[] = {step_1};
static_assert(std::size(steps) == schema_version);

std::string quoted(const std::string& schema) {
    // Checked when the URL was read: no character that needs an escape.
    return '"' + schema + '"';
}

std::uint32_t number(std::string_view text) {
    std::uint32_t out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
}

std::string sentence(const failure& why, const std::string& schema) {
    if (why.sqlstate == "42501")
        return fmt::format(
            "the user may not make lethe's tables ({}): run `lethe store migrate` as the owner of "
            "the database, then GRANT USAGE ON SCHEMA {} and SELECT, INSERT, UPDATE, DELETE ON "
            "ALL TABLES IN SCHEMA {} to the user",
            why.message, schema, schema);
    return fmt::format("lethe's tables could not be made: {} ({})", why.message,
                       why.sqlstate.empty() ? "connection" : why.sqlstate);
}

}  // namespace

std::string records_table(const std::string& schema) {
    return quoted(schema) + ".lethe_records";
}

task<std::uint32_t> read_schema_version(connection& on, std::string schema, steady_time deadline,
                                        failure& why) {
    // Not to_regclass(): it may answer from a cache that has not heard of another's commit yet.
    const result<rows> there = co_await on.query(
        fmt::format("SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
                    "ON n.oid = c.relnamespace WHERE n.nspname = '{}' AND c.relname = 'lethe_meta'",
                    schema),
        deadline, why);
    if (there.has_error()) co_return there.error();
    if (there->size() != 1) co_return std::uint32_t{0};
    const result<rows> found = co_await on.query(
        fmt::format("SELECT schema_version FROM {}.lethe_meta", quoted(schema)), deadline, why);
    if (found.has_error()) co_return found.error();
    co_return found->size() == 1 ? number(found->at(0, 0)) : 0;
}

std::string schema_complaint(std::uint32_t found) {
    if (found > schema_version)
        return fmt::format(
            "the tables are of version {}, made by a newer lethe; this one knows {}: use a lethe "
            "that is as new",
            found, schema_version);
    if (found < schema_version)
        return fmt::format(
            "the tables are {}: run `lethe store migrate`",
            found == 0 ? std::string("missing")
                       : fmt::format("of version {}, this lethe needs {}", found, schema_version));
    return {};
}

namespace {

// Within a transaction that the caller ends.
task<migration> migrate_locked(connection& on, std::string schema, steady_time deadline,
                               failure& why, std::string& complaint) {
    // The wait for another's migration and the migration itself are bounded by the deadline alone.
    const result<rows> begun = co_await on.query(
        fmt::format("BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; "
                    "SELECT pg_advisory_xact_lock({})",
                    migration_lock),
        deadline, why);
    if (begun.has_error()) co_return begun.error();
    const result<std::uint32_t> found = co_await read_schema_version(on, schema, deadline, why);
    if (found.has_error()) co_return found.error();
    if (*found > schema_version) {
        complaint = schema_complaint(*found);
        co_return LETHE_ERR(errc::unavailable);
    }
    // CREATE SCHEMA IF NOT EXISTS wants the right to create one that is there, too.
    const result<rows> schemas = co_await on.query(
        fmt::format("SELECT 1 FROM pg_namespace WHERE nspname = '{}'", schema), deadline, why);
    if (schemas.has_error()) co_return schemas.error();
    std::string sql;
    if (schemas->size() == 0) sql = fmt::format("CREATE SCHEMA {};", quoted(schema));
    for (std::uint32_t version = *found; version < schema_version; ++version)
        sql += fmt::format(fmt::runtime(steps[version]), quoted(schema));
    sql += fmt::format("UPDATE {}.lethe_meta SET schema_version = {}; COMMIT", quoted(schema),
                       schema_version);
    if (*found < schema_version) {
        const result<rows> made = co_await on.query(std::move(sql), deadline, why);
        if (made.has_error()) co_return made.error();
    }
    co_return migration{.from = *found, .to = schema_version};
}

}  // namespace

task<migration> migrate(connection& on, std::string schema, steady_time deadline,
                        std::string& why) {
    failure said;
    std::string complaint;
    const result<migration> done = co_await migrate_locked(on, schema, deadline, said, complaint);
    if (done.has_value() && done->from == done->to) {
        failure ignored;
        static_cast<void>(co_await on.query("ROLLBACK", deadline, ignored));
    }
    if (done.has_value()) co_return done;
    if (done.error() == condition::timeout)
        why = "another migration, or somebody who uses the tables, took too long";
    else
        why = complaint.empty() ? sentence(said, schema) : complaint;
    // Answered with an error, the connection is still good for others.
    if (!said.fatal && done.error() != condition::timeout) {
        failure ignored;
        static_cast<void>(co_await on.query("ROLLBACK", deadline, ignored));
    }
    co_return done.error();
}

}  // namespace lethe::store::postgres
