// One connection to the file, its statements, and what went wrong with either.
#pragma once

#include "base/error.hpp"
#include "store/sqlite/log_buffer.hpp"
#include "store/sqlite/turn.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace lethe::store::sqlite {

// How long another process may hold the lock before a transaction is given up.
inline constexpr std::chrono::milliseconds lock_wait{5000};

enum class synchronous : std::uint8_t { full, normal };

// A prepared statement, reset before each use. One thread.
class statement {
 public:
    statement() = default;
    statement(sqlite3* on, std::string_view sql);

    // Binds from 1; blobs must live until the next reset().
    statement& bind(int at, std::string_view blob);
    statement& bind(int at, std::int64_t number);
    // SQLITE_ROW, SQLITE_DONE or an error.
    [[nodiscard]] int step();
    // Runs to the end; SQLITE_DONE or an error.
    [[nodiscard]] int run();
    void reset();

    // Of the present row.
    [[nodiscard]] std::string blob(int column) const;
    [[nodiscard]] std::int64_t number(int column) const;

 private:
    struct finalize {
        void operator()(sqlite3_stmt* one) const noexcept;
    };
    std::unique_ptr<sqlite3_stmt, finalize> statement_;
};

struct connection_options {
    std::string path;
    synchronous mode = synchronous::full;
    int cache_kibibytes = 2048;
    bool collects_log = false;         // with synchronous::full: see log_buffer
    const char* file_layer = nullptr;  // tests: SQLite's VFS of this name
};

// One thread. Throws nothing: SQLite's codes are answered as they are, to_error() says what they
// mean.
class connection {
 public:
    // An SQLite code; on failure `message` tells more.
    [[nodiscard]] int open(const connection_options& how, std::string& message);

    [[nodiscard]] int run(const char* sql);
    [[nodiscard]] statement prepare(std::string_view sql) { return {database_.get(), sql}; }
    // One number, or `otherwise`.
    [[nodiscard]] std::int64_t ask(const char* sql, std::int64_t otherwise = -1);
    [[nodiscard]] std::string ask_text(const char* sql);

    // SQLITE_OK or an error. A write transaction has the lock from its beginning, a read
    // transaction sees one state of the file from its first read.
    [[nodiscard]] int begin_write();
    [[nodiscard]] int begin_read();
    [[nodiscard]] int commit();
    void rollback();
    // Changes when another connection has committed.
    [[nodiscard]] std::int64_t data_version();

    // The lock of another process is waited for so long.
    void wait_for_locks(std::chrono::milliseconds at_most);
    // Rows that the last statement changed.
    [[nodiscard]] std::int64_t changes() const;
    [[nodiscard]] bool in_transaction() const;
    [[nodiscard]] bool read_only() const;
    [[nodiscard]] std::string message() const;

    // Pages in the write-ahead log after the last commit of this connection. Nothing moves them to
    // the database by itself: checkpoint() does.
    [[nodiscard]] std::int64_t log_pages() const noexcept { return log_pages_; }
    enum class checkpoint_kind : std::uint8_t {
        passive,   // waits for nobody; pages that a reader still needs stay in the log
        restart,   // waits for readers, so that the next commit begins the log anew
        truncate,  // restart, and gives the log's room back
    };
    // SQLITE_OK, also when pages had to stay; SQLITE_BUSY when it had to wait too long.
    [[nodiscard]] int checkpoint(checkpoint_kind kind);

    // Tests: no more than this many pages, as if the disk were full.
    void limit_pages(std::int64_t pages);

 private:
    struct close {
        void operator()(sqlite3* one) const noexcept;
    };
    static int wait_for_lock(void* self, int tries) noexcept;
    static int committed(void* self, sqlite3* on, const char* name, int pages) noexcept;

    std::unique_ptr<log_buffer> log_buffer_;
    std::unique_ptr<sqlite3, close> database_;
    statement begin_write_;
    statement begin_read_;
    statement commit_;
    statement rollback_;
    statement data_version_;
    std::chrono::milliseconds lock_wait_{lock_wait};
    pauses pauses_;
    std::int64_t log_pages_ = 0;
};

// What a failed operation means when nothing was changed.
[[nodiscard]] error_code to_error(int code) noexcept;

}  // namespace lethe::store::sqlite
