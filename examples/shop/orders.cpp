#include "orders.hpp"

#include <sqlite3.h>

#include <memory>
#include <stdexcept>

namespace shop {
namespace {

struct finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using statement = std::unique_ptr<sqlite3_stmt, finalize>;

statement prepare(sqlite3* database, const char* sql, std::initializer_list<std::string> values) {
    sqlite3_stmt* made = nullptr;
    if (sqlite3_prepare_v2(database, sql, -1, &made, nullptr) != SQLITE_OK) return nullptr;
    int place = 1;
    for (const std::string& v : values)
        sqlite3_bind_text(made, place++, v.data(), static_cast<int>(v.size()), SQLITE_TRANSIENT);
    return statement(made);
}

std::string text(const statement& row, int column) {
    const unsigned char* const bytes = sqlite3_column_text(row.get(), column);
    return bytes == nullptr ? std::string{} : reinterpret_cast<const char*>(bytes);
}

constexpr const char* schema = R"sql(
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user TEXT NOT NULL,
    reference TEXT NOT NULL,
    items TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS orders_of_user ON orders (user);
)sql";

}  // namespace

order_book::order_book(const std::string& file) {
    if (sqlite3_open(file.c_str(), &database_) == SQLITE_OK) {
        // Replicas take turns; a turn is one insert.
        sqlite3_busy_timeout(database_, 10'000);
        if (sqlite3_exec(database_, schema, nullptr, nullptr, nullptr) == SQLITE_OK) return;
    }
    const std::string reason = sqlite3_errmsg(database_);
    sqlite3_close(database_);
    throw std::runtime_error("cannot use " + file + " for orders: " + reason);
}

order_book::~order_book() {
    sqlite3_close(database_);
}

std::optional<std::int64_t> order_book::insert(const order& made) {
    const std::lock_guard lock(mutex_);
    const statement run =
        prepare(database_, "INSERT INTO orders (user, reference, items) VALUES (?, ?, ?)",
                {made.user, made.reference, made.items});
    if (!run || sqlite3_step(run.get()) != SQLITE_DONE) return std::nullopt;
    return sqlite3_last_insert_rowid(database_);
}

std::optional<std::vector<order>> order_book::of_user(const std::string& user) {
    const std::lock_guard lock(mutex_);
    const statement run =
        prepare(database_,
                "SELECT id, user, reference, items FROM orders WHERE user = ? ORDER BY id", {user});
    if (!run) return std::nullopt;
    std::vector<order> found;
    int step = SQLITE_DONE;
    while ((step = sqlite3_step(run.get())) == SQLITE_ROW)
        found.push_back(
            {sqlite3_column_int64(run.get(), 0), text(run, 1), text(run, 2), text(run, 3)});
    if (step != SQLITE_DONE) return std::nullopt;
    return found;
}

std::optional<std::int64_t> order_book::count() {
    const std::lock_guard lock(mutex_);
    const statement run = prepare(database_, "SELECT count(*) FROM orders", {});
    if (!run || sqlite3_step(run.get()) != SQLITE_ROW) return std::nullopt;
    return sqlite3_column_int64(run.get(), 0);
}

}  // namespace shop
