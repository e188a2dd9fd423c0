#include "store/sqlite/schema.hpp"

#include "store/store.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

namespace lethe::store::sqlite {
namespace {

// Another process may be turning a large file into the present schema.
constexpr std::chrono::seconds schema_lock_wait{60};

constexpr const char* tables =
    "CREATE TABLE IF NOT EXISTS record("
    " id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, version INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, subject BLOB NOT NULL, value BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS state(one INTEGER PRIMARY KEY CHECK (one = 1),"
    " last_version INTEGER NOT NULL);";

constexpr const char* indexes =
    "CREATE INDEX IF NOT EXISTS record_subject ON record(subject, key) WHERE subject <> x'';"
    "CREATE INDEX IF NOT EXISTS record_expires ON record(expires);"
    "INSERT OR IGNORE INTO state VALUES (1, 0);"
    // A restored backup, or what a power cut took, must not lead to a version that was given
    // before: each opening starts at the present microsecond.
    "UPDATE state SET last_version = max(last_version, strftime('%s', 'now') * 1000000);";

constexpr const char* set_aside_1 =
    "DROP INDEX record_subject; DROP INDEX record_expires; ALTER TABLE record RENAME TO record_1;";

constexpr const char* take_over_1 =
    "INSERT INTO record(key, version, expires, subject, value)"
    " SELECT key, version, expires, subject, value FROM record_1 ORDER BY key;"
    "DROP TABLE record_1;";

int make_tables(connection& on, std::int64_t found) {
    const std::string mark = fmt::format("PRAGMA application_id={}; PRAGMA user_version={};",
                                         application_id, schema_version);
    int done = SQLITE_OK;
    if (found == 1) done = on.run(set_aside_1);
    if (done == SQLITE_OK) done = on.run(tables);
    if (done == SQLITE_OK && found == 1) done = on.run(take_over_1);
    if (done == SQLITE_OK) done = on.run(indexes);
    if (done == SQLITE_OK) done = on.run(mark.c_str());
    return done;
}

}  // namespace

result<> check_owner(connection& on, const std::string& path, std::string& why) {
    const std::int64_t app = on.ask("PRAGMA application_id");
    const std::int64_t version = on.ask("PRAGMA user_version");
    const std::int64_t tables_count = on.ask("SELECT count(*) FROM sqlite_schema");
    if (tables_count < 0) {
        why = fmt::format("{}: {}. Is it damaged?", path, on.message());
        return LETHE_ERR(errc::corrupt);
    }
    if (app != application_id && tables_count > 0) {
        why =
            path + " is a database of another program. It was left as it is; choose another path.";
        return LETHE_ERR(errc::corrupt);
    }
    if (app == application_id && version > schema_version) {
        why = fmt::format(
            "{} was written by a newer lethe (schema {}, this one knows {}). Use that "
            "version, or another path.",
            path, version, schema_version);
        return LETHE_ERR(errc::corrupt);
    }
    return {};
}

result<std::int64_t> prepare_schema(connection& on, const std::string& path, std::string& why) {
    on.wait_for_locks(schema_lock_wait);
    int done = on.run("BEGIN IMMEDIATE");
    on.wait_for_locks(lock_wait);
    // Under the lock: another process may just have done it.
    const std::int64_t found = on.ask("PRAGMA user_version", 0);
    if (done == SQLITE_OK) done = make_tables(on, found);
    if (done == SQLITE_OK) done = on.run("COMMIT");
    if (done == SQLITE_OK) return found;
    why = fmt::format("{}: {}. Is the disk full, or does another program hold the file?", path,
                      on.message());
    static_cast<void>(on.run("ROLLBACK"));
    return to_error(done);
}

}  // namespace lethe::store::sqlite
