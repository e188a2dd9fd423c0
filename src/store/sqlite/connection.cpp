#include "store/sqlite/connection.hpp"

#include "store/store.hpp"

#include <sqlite3.h>

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

int connection::wait_for_lock(void* self, int tries) noexcept {
    auto& on = *static_cast<connection*>(self);
    if (tries == 0) on.pauses_.restart();
    return on.pauses_.wait(on.lock_wait_) ? 1 : 0;
}

int connection::committed(void* self, sqlite3*, const char*, int pages) noexcept {
    static_cast<connection*>(self)->log_pages_ = pages;
    return SQLITE_OK;
}

int connection::open(const connection_options& how, std::string& message) {
    const char* file_layer = how.file_layer;
    if (how.collects_log && how.mode == synchronous::full) {
        log_buffer_ = std::make_unique<log_buffer>(how.file_layer);
        file_layer = log_buffer_->name();
    }
    sqlite3* made = nullptr;
    const int code = sqlite3_open_v2(
        how.path.c_str(), &made, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
        file_layer);
    database_.reset(made);
    if (code != SQLITE_OK) {
        message = made != nullptr ? sqlite3_errmsg(made) : sqlite3_errstr(code);
        return code;
    }
    sqlite3_extended_result_codes(made, 1);
    sqlite3_busy_handler(made, &connection::wait_for_lock, this);
    // In the place of SQLite's own, which runs checkpoints inside COMMIT.
    sqlite3_wal_hook(made, &connection::committed, this);
    const std::string cache = "PRAGMA cache_size=-" + std::to_string(how.cache_kibibytes);
    // Nothing here writes: whose file it is, is looked at first.
    for (const char* sql :
         {"PRAGMA schema_version",
          how.mode == synchronous::full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
          cache.c_str()}) {
        const int done = run(sql);
        if (done != SQLITE_OK) {
            message = this->message();
            return done;
        }
    }
    begin_write_ = prepare("BEGIN IMMEDIATE");
    begin_read_ = prepare("BEGIN");
    commit_ = prepare("COMMIT");
    rollback_ = prepare("ROLLBACK");
    data_version_ = prepare("PRAGMA data_version");
    return SQLITE_OK;
}

namespace {

int to_code(int last_step) {
    return last_step == SQLITE_DONE ? SQLITE_OK : last_step;
}

}  // namespace

int connection::begin_write() {
    return to_code(begin_write_.run());
}
int connection::begin_read() {
    return to_code(begin_read_.run());
}
int connection::commit() {
    return to_code(commit_.run());
}
void connection::rollback() {
    // After some errors SQLite has rolled back by itself.
    if (in_transaction()) static_cast<void>(rollback_.run());
}

std::int64_t connection::data_version() {
    const std::int64_t out = data_version_.step() == SQLITE_ROW ? data_version_.number(0) : -1;
    data_version_.reset();
    return out;
}

int connection::checkpoint(checkpoint_kind kind) {
    const int mode = kind == checkpoint_kind::passive   ? SQLITE_CHECKPOINT_PASSIVE
                     : kind == checkpoint_kind::restart ? SQLITE_CHECKPOINT_RESTART
                                                        : SQLITE_CHECKPOINT_TRUNCATE;
    return sqlite3_wal_checkpoint_v2(database_.get(), "main", mode, nullptr, nullptr);
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
std::int64_t connection::changes() const {
    return sqlite3_changes64(database_.get());
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
