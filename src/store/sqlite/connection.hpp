// One connection to the file, its statements, and what went wrong with either.
#pragma once

#include "base/error.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace lethe::store::sqlite {

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

// One thread. Throws nothing: SQLite's codes are answered as they are, to_error() says what they
// mean.
class connection {
 public:
    // An SQLite code; on failure `message` tells more.
    [[nodiscard]] int open(const std::string& path, synchronous mode, std::string& message);

    [[nodiscard]] int run(const char* sql);
    [[nodiscard]] statement prepare(std::string_view sql) { return {database_.get(), sql}; }
    // One number, or `otherwise`.
    [[nodiscard]] std::int64_t ask(const char* sql, std::int64_t otherwise = -1);
    [[nodiscard]] std::string ask_text(const char* sql);
    // The lock of another process is waited for so long.
    void wait_for_locks(std::chrono::milliseconds at_most);
    [[nodiscard]] bool in_transaction() const;
    [[nodiscard]] bool read_only() const;
    [[nodiscard]] std::string message() const;
    // Tests: no more than this many pages, as if the disk were full.
    void limit_pages(std::int64_t pages);

 private:
    struct close {
        void operator()(sqlite3* one) const noexcept;
    };
    static int wait_for_lock(void* self, int tries) noexcept;

    std::unique_ptr<sqlite3, close> database_;
    std::chrono::milliseconds lock_wait_{5000};
};

// What a failed operation means when nothing was changed.
[[nodiscard]] error_code to_error(int code) noexcept;

}  // namespace lethe::store::sqlite
