#include "store/sqlite/records.hpp"

#include "store/rules.hpp"

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

// The same numbers in each: ?1 key, ?2 value, ?3 version, ?4 expires, ?5 subject, ?6 the time now,
// ?7 the expected version.
constexpr const char* sql_put_anyway =
    "INSERT INTO record(key, version, expires, subject, value) VALUES (?1, ?3, ?4, ?5, ?2)"
    " ON CONFLICT(key) DO UPDATE SET version = ?3, expires = ?4, subject = ?5, value = ?2";
constexpr const char* sql_put_absent =
    "INSERT INTO record(key, version, expires, subject, value) VALUES (?1, ?3, ?4, ?5, ?2)"
    " ON CONFLICT(key) DO UPDATE SET version = ?3, expires = ?4, subject = ?5, value = ?2"
    " WHERE expires <= ?6";
// What is not set, has no index that moves.
constexpr const char* sql_put_over_same_subject =
    "UPDATE record SET version = ?3, expires = ?4, value = ?2"
    " WHERE key = ?1 AND version = ?7 AND expires > ?6 AND subject = ?5";
constexpr const char* sql_put_over =
    "UPDATE record SET version = ?3, expires = ?4, subject = ?5, value = ?2"
    " WHERE key = ?1 AND version = ?7 AND expires > ?6";

}  // namespace

records::records(connection& on)
    : on_(on),
      find_(on.prepare("SELECT value, version, expires, subject FROM record WHERE key = ?1")),
      put_anyway_(on.prepare(sql_put_anyway)),
      put_absent_(on.prepare(sql_put_absent)),
      put_over_same_subject_(on.prepare(sql_put_over_same_subject)),
      put_over_(on.prepare(sql_put_over)),
      erase_anyway_(on.prepare("DELETE FROM record WHERE key = ?1")),
      erase_version_(
          on.prepare("DELETE FROM record WHERE key = ?1 AND version = ?2 AND expires > ?3")),
      touch_(on.prepare("UPDATE record SET expires = ?2 WHERE key = ?1 AND expires > ?3")),
      list_(on.prepare("SELECT key FROM record WHERE subject = ?1 AND subject <> x'' AND key >= ?2"
                       " AND key < ?3 AND expires > ?4 ORDER BY key LIMIT ?5")),
      scan_(on.prepare(
          "SELECT key FROM record WHERE key > ?1 AND expires > ?2 ORDER BY key LIMIT ?3")),
      purge_(on.prepare("DELETE FROM record WHERE id IN"
                        " (SELECT id FROM record WHERE expires <= ?1 ORDER BY expires LIMIT ?2)")),
      read_version_(on.prepare("SELECT last_version FROM state")),
      write_version_(on.prepare("UPDATE state SET last_version = ?1")) {}

result<> records::begin() {
    const use scope(read_version_);
    const int code = read_version_.step();
    if (code != SQLITE_ROW) return to_error(code);
    first_version_ = read_version_.number(0);
    last_version_ = first_version_;
    changed_ = false;
    return {};
}

result<> records::end() {
    if (!changed_) return {};
    if (last_version_ == first_version_) ++last_version_;
    const int code = write_version_.bind(1, last_version_).run();
    if (code != SQLITE_DONE) return to_error(code);
    return {};
}

// How many rows the statement changed.
result<std::int64_t> records::change(statement& bound) {
    const int code = bound.run();
    if (code != SQLITE_DONE) return to_error(code);
    const std::int64_t rows = on_.changes();
    changed_ |= rows > 0;
    return rows;
}

result<std::optional<record>> records::find(std::string_view key, system_time now) {
    const use scope(find_);
    const int code = find_.bind(1, key).step();
    if (code == SQLITE_DONE) return std::optional<record>{};
    if (code != SQLITE_ROW) return to_error(code);
    const system_time expires = from_millis(find_.number(2));
    if (!alive(expires, now)) return std::optional<record>{};
    record out{.value = find_.blob(0),
               .version = {static_cast<std::uint64_t>(find_.number(1))},
               .expires = expires,
               .subject = find_.blob(3)};
    if (out.version.number == 0) return LETHE_ERR(errc::corrupt);
    return std::optional(std::move(out));
}

result<answer> records::apply(const operation& any, system_time now) {
    return std::visit([&](const auto& one) { return apply_one(one, now); }, any);
}

result<answer> records::conflict(std::string_view key, system_time now) {
    LETHE_TRY(std::optional<record> present, find(key, now));
    return answer{.done = false, .version = {}, .present = std::move(present)};
}

result<answer> records::apply_one(const get& one, system_time now) {
    LETHE_TRY(std::optional<record> present, find(one.key, now));
    return answer{.done = true, .version = {}, .present = std::move(present)};
}

result<answer> records::apply_one(const put& one, system_time now) {
    const auto bind = [&](statement& to) -> statement& {
        return to.bind(1, one.key)
            .bind(2, one.value)
            .bind(3, last_version_ + 1)
            .bind(4, to_millis(expiry_after(now, one.ttl)))
            .bind(5, one.subject);
    };
    std::int64_t rows = 0;
    if (std::holds_alternative<anything>(one.expect)) {
        LETHE_TRY(rows, change(bind(put_anyway_)));
    } else if (const auto* expected = std::get_if<record_version>(&one.expect)) {
        const auto number = static_cast<std::int64_t>(expected->number);
        LETHE_TRY(rows,
                  change(bind(put_over_same_subject_).bind(6, to_millis(now)).bind(7, number)));
        if (rows == 0) {
            LETHE_TRY(rows, change(bind(put_over_).bind(6, to_millis(now)).bind(7, number)));
        }
    } else {
        LETHE_TRY(rows, change(bind(put_absent_).bind(6, to_millis(now))));
    }
    if (rows == 0) return conflict(one.key, now);
    ++last_version_;
    return answer{
        .done = true, .version = {static_cast<std::uint64_t>(last_version_)}, .present = {}};
}

result<answer> records::apply_one(const erase& one, system_time now) {
    const auto* expected = std::get_if<record_version>(&one.expect);
    if (expected == nullptr) {
        LETHE_TRY([[maybe_unused]] const std::int64_t rows, change(erase_anyway_.bind(1, one.key)));
        return answer{.done = true, .version = {}, .present = {}};
    }
    LETHE_TRY(const std::int64_t rows,
              change(erase_version_.bind(1, one.key)
                         .bind(2, static_cast<std::int64_t>(expected->number))
                         .bind(3, to_millis(now))));
    if (rows == 0) return conflict(one.key, now);
    return answer{.done = true, .version = {}, .present = {}};
}

result<answer> records::apply_one(const touch& one, system_time now) {
    LETHE_TRY(const std::int64_t rows, change(touch_.bind(1, one.key)
                                                  .bind(2, to_millis(expiry_after(now, one.ttl)))
                                                  .bind(3, to_millis(now))));
    return answer{.done = rows > 0, .version = {}, .present = {}};
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

result<scan_page> records::scan(std::string_view after, std::size_t keys_max, system_time now) {
    const std::size_t wanted = std::min(keys_max, page_keys_max);
    const use scope(scan_);
    scan_.bind(1, after).bind(2, to_millis(now)).bind(3, static_cast<std::int64_t>(wanted) + 1);
    scan_page out;
    int code = scan_.step();
    for (; code == SQLITE_ROW && !out.more; code = scan_.step()) {
        out.more = out.keys.size() == wanted;
        if (!out.more) out.keys.push_back(scan_.blob(0));
    }
    if (!out.more && code != SQLITE_DONE) return to_error(code);
    if (!out.keys.empty()) out.cursor = out.keys.back();
    return out;
}

result<std::int64_t> records::purge(system_time now, std::int64_t count_max) {
    return change(purge_.bind(1, to_millis(now)).bind(2, count_max));
}

}  // namespace lethe::store::sqlite
