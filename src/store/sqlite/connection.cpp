#include "store/sqlite/connection.hpp"

#include "store/store.hpp"

#include <sqlite3.h>

#include <thread>

namespace lethe::store::sqlite {

void statement::finalize::operator()(sqlite3_stmt* one) const noexcept {
    sqlite3_finalize(one);
}

statement::statement(sqlite3* on, std::string_view sql) {
    sqlite3_stmt* made = nullptr;
    const int code = sqlite3_prepare_v3(on, sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &made, nullptr);
    // The schema was checked when the file was opened: only a mistake of ours fails here.
    if (code != SQLITE_OK) LETHE_BUG("a statement does not compile");
    statement_.reset(made);
}

statement& statement::bind(int at, std::string_view blob) {
    // A null pointer would bind NULL: an empty blob needs an address.
    const void* bytes = blob.empty() ? static_cast<const void*>("") : blob.data();
    sqlite3_bind_blob64(statement_.get(), at, bytes, blob.size(), SQLITE_STATIC);
    return *this;
}

statement& statement::bind(int at, std::int64_t number) {
    sqlite3_bind_int64(statement_.get(), at, number);
    return *this;
}

int statement::step() {
    return sqlite3_step(statement_.get());
}

int statement::run() {
    int code = step();
    while (code == SQLITE_ROW) code = step();
    reset();
    return code;
}

void statement::reset() {
    sqlite3_reset(statement_.get());
    sqlite3_clear_bindings(statement_.get());
}

std::string statement::blob(int column) const {
    const void* bytes = sqlite3_column_blob(statement_.get(), column);
    const int size = sqlite3_column_bytes(statement_.get(), column);
    if (bytes == nullptr) return {};
    return {static_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

std::int64_t statement::number(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

void connection::close::operator()(sqlite3* one) const noexcept {
    sqlite3_close_v2(one);
}

// Short waits with some disorder: several processes that wait for the same lock take turns, and
// none sleeps long after it was freed.
int connection::wait_for_lock(void* self, int tries) noexcept {
    constexpr std::chrono::microseconds shortest{300};
    const auto pause = shortest * (1 + tries % 5);
    if (pause * tries / 2 > static_cast<connection*>(self)->lock_wait_) return 0;
    // lint: allow(sleep) because it is a thread of the database, never a worker
    std::this_thread::sleep_for(pause);
    return 1;
}

int connection::open(const std::string& path, synchronous mode, std::string& message) {
    sqlite3* made = nullptr;
    const int code =
        sqlite3_open_v2(path.c_str(), &made,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    database_.reset(made);
    if (code != SQLITE_OK) {
        message = made != nullptr ? sqlite3_errmsg(made) : sqlite3_errstr(code);
        return code;
    }
    sqlite3_extended_result_codes(made, 1);
    sqlite3_busy_handler(made, &connection::wait_for_lock, this);
    // Nothing here writes: whose file it is, is looked at first.
    for (const char* sql :
         {"PRAGMA schema_version",
          mode == synchronous::full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"}) {
        const int done = run(sql);
        if (done != SQLITE_OK) {
            message = this->message();
            return done;
        }
    }
    return SQLITE_OK;
}

int connection::run(const char* sql) {
    return sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
}

std::int64_t connection::ask(const char* sql, std::int64_t otherwise) {
    statement one = prepare(sql);
    return one.step() == SQLITE_ROW ? one.number(0) : otherwise;
}

std::string connection::ask_text(const char* sql) {
    statement one = prepare(sql);
    return one.step() == SQLITE_ROW ? one.blob(0) : std::string();
}

void connection::wait_for_locks(std::chrono::milliseconds at_most) {
    lock_wait_ = at_most;
}
bool connection::in_transaction() const {
    return sqlite3_get_autocommit(database_.get()) == 0;
}
bool connection::read_only() const {
    return sqlite3_db_readonly(database_.get(), "main") == 1;
}
std::string connection::message() const {
    return sqlite3_errmsg(database_.get());
}

void connection::limit_pages(std::int64_t pages) {
    static_cast<void>(run(("PRAGMA max_page_count=" + std::to_string(pages)).c_str()));
}

error_code to_error(int code) noexcept {
    switch (code & 0xff) {
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB: return LETHE_ERR(errc::corrupt);
        case SQLITE_TOOBIG: return LETHE_ERR(errc::too_large);
        default: return LETHE_ERR(errc::unavailable);
    }
}

}  // namespace lethe::store::sqlite
