#include "store/sqlite/records.hpp"

#include "store/rules.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>

namespace lethe::store::sqlite {
namespace {

std::int64_t to_millis(system_time at) {
    return at.time_since_epoch().count();
}
system_time from_millis(std::int64_t at) {
    return system_time{std::chrono::milliseconds{at}};
}

// Leaves the statement ready for its next use, however this one ends.
class use {
 public:
    explicit use(statement& one) : one_(one) {}
    ~use() { one_.reset(); }
    use(const use&) = delete;
    use& operator=(const use&) = delete;

 private:
    statement& one_;
};

constexpr const char* schema =
    "CREATE TABLE IF NOT EXISTS record("
    " key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL, version INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, subject BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS record_subject ON record(subject, key) WHERE subject <> x'';"
    "CREATE INDEX IF NOT EXISTS record_expires ON record(expires);"
    "CREATE TABLE IF NOT EXISTS state(one INTEGER PRIMARY KEY CHECK (one = 1),"
    " last_version INTEGER NOT NULL);"
    "INSERT OR IGNORE INTO state VALUES (1, 0);"
    // A restored backup, or what a power cut took, must not lead to a version that was given
    // before: each opening starts at the present microsecond.
    "UPDATE state SET last_version = max(last_version, strftime('%s', 'now') * 1000000);";

}  // namespace

result<> check_owner(connection& on, const std::string& path, std::string& why) {
    const std::int64_t app = on.ask("PRAGMA application_id");
    const std::int64_t version = on.ask("PRAGMA user_version");
    const std::int64_t tables = on.ask("SELECT count(*) FROM sqlite_schema");
    if (tables < 0) {
        why = fmt::format("{}: {}. Is it damaged?", path, on.message());
        return LETHE_ERR(errc::corrupt);
    }
    if (app != application_id && tables > 0) {
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

result<> prepare_schema(connection& on, const std::string& path, std::string& why) {
    const std::string mark = fmt::format("PRAGMA application_id={}; PRAGMA user_version={};",
                                         application_id, schema_version);
    int done = on.run("BEGIN IMMEDIATE");
    if (done == SQLITE_OK) done = on.run(schema);
    if (done == SQLITE_OK) done = on.run(mark.c_str());
    if (done == SQLITE_OK) done = on.run("COMMIT");
    if (done == SQLITE_OK) return {};
    why = fmt::format("{}: {}. Is the disk full, or does another program hold the file?", path,
                      on.message());
    static_cast<void>(on.run("ROLLBACK"));
    return to_error(done);
}

records::records(connection& on)
    : on_(on),
      find_(on.prepare("SELECT value, version, expires, subject FROM record WHERE key = ?1")),
      put_(on.prepare("INSERT INTO record(key, value, version, expires, subject)"
                      " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT(key) DO UPDATE SET"
                      " value = ?2, version = ?3, expires = ?4, subject = ?5")),
      erase_(on.prepare("DELETE FROM record WHERE key = ?1")),
      touch_(on.prepare("UPDATE record SET expires = ?2 WHERE key = ?1")),
      list_(on.prepare("SELECT key FROM record WHERE subject = ?1 AND subject <> x'' AND key >= ?2"
                       " AND key < ?3 AND expires > ?4 ORDER BY key LIMIT ?5")),
      purge_(on.prepare("DELETE FROM record WHERE key IN"
                        " (SELECT key FROM record WHERE expires <= ?1 ORDER BY expires LIMIT ?2)")),
      read_version_(on.prepare("SELECT last_version FROM state")),
      write_version_(on.prepare("UPDATE state SET last_version = ?1")) {}

result<> records::begin() {
    const use scope(read_version_);
    const int code = read_version_.step();
    if (code != SQLITE_ROW) return to_error(code);
    last_version_ = read_version_.number(0);
    version_changed_ = false;
    return {};
}

result<> records::end() {
    if (!version_changed_) return {};
    const int code = write_version_.bind(1, last_version_).run();
    if (code != SQLITE_DONE) return to_error(code);
    return {};
}

result<std::optional<record>> records::find(std::string_view key, system_time now) {
    const use scope(find_);
    const int code = find_.bind(1, key).step();
    if (code == SQLITE_DONE) return std::optional<record>{};
    if (code != SQLITE_ROW) return to_error(code);
    record out{.value = find_.blob(0),
               .version = {static_cast<std::uint64_t>(find_.number(1))},
               .expires = from_millis(find_.number(2)),
               .subject = find_.blob(3)};
    if (out.version.number == 0) return LETHE_ERR(errc::corrupt);
    if (!alive(out.expires, now)) return std::optional<record>{};
    return std::optional(std::move(out));
}

result<answer> records::apply(const operation& any, system_time now) {
    return std::visit([&](const auto& one) { return apply_one(one, now); }, any);
}

result<answer> records::apply_one(const get& one, system_time now) {
    LETHE_TRY(std::optional<record> present, find(one.key, now));
    return answer{.done = true, .version = {}, .present = std::move(present)};
}

result<answer> records::apply_one(const put& one, system_time now) {
    if (!std::holds_alternative<anything>(one.expect)) {
        LETHE_TRY(std::optional<record> present, find(one.key, now));
        if (!holds(one.expect, present ? std::optional(present->version) : std::nullopt))
            return answer{.done = false, .version = {}, .present = std::move(present)};
    }
    const int code = put_.bind(1, one.key)
                         .bind(2, one.value)
                         .bind(3, last_version_ + 1)
                         .bind(4, to_millis(expiry_after(now, one.ttl)))
                         .bind(5, one.subject)
                         .run();
    if (code != SQLITE_DONE) return to_error(code);
    ++last_version_;
    version_changed_ = true;
    return answer{
        .done = true, .version = {static_cast<std::uint64_t>(last_version_)}, .present = {}};
}

result<answer> records::apply_one(const erase& one, system_time now) {
    if (!std::holds_alternative<anything>(one.expect)) {
        LETHE_TRY(std::optional<record> present, find(one.key, now));
        if (!holds(one.expect, present ? std::optional(present->version) : std::nullopt))
            return answer{.done = false, .version = {}, .present = std::move(present)};
    }
    const int code = erase_.bind(1, one.key).run();
    if (code != SQLITE_DONE) return to_error(code);
    return answer{.done = true, .version = {}, .present = {}};
}

result<answer> records::apply_one(const touch& one, system_time now) {
    LETHE_TRY(const std::optional<record> present, find(one.key, now));
    if (!present) return answer{};
    const int code = touch_.bind(1, one.key).bind(2, to_millis(expiry_after(now, one.ttl))).run();
    if (code != SQLITE_DONE) return to_error(code);
    return answer{.done = true, .version = {}, .present = {}};
}

result<subject_page> records::list(std::string_view subject, std::string_view key_prefix,
                                   std::string_view after, std::size_t keys_max, system_time now) {
    const std::string first = first_listed(key_prefix, after);
    const std::string end = end_listed(key_prefix);
    const std::size_t wanted = std::min(keys_max, page_keys_max);
    const use scope(list_);
    list_.bind(1, subject).bind(2, first).bind(3, end).bind(4, to_millis(now));
    list_.bind(5, static_cast<std::int64_t>(wanted) + 1);
    subject_page out;
    int code = list_.step();
    for (; code == SQLITE_ROW; code = list_.step()) {
        if (out.keys.size() == wanted) {
            out.more = true;
            return out;
        }
        out.keys.push_back(list_.blob(0));
    }
    if (code != SQLITE_DONE) return to_error(code);
    return out;
}

result<std::int64_t> records::purge(system_time now, std::int64_t count_max) {
    const int code = purge_.bind(1, to_millis(now)).bind(2, count_max).run();
    if (code != SQLITE_DONE) return to_error(code);
    return on_.ask("SELECT changes()", 0);
}

}  // namespace lethe::store::sqlite
