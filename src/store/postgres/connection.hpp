// One connection to a PostgreSQL server: libpq's non-blocking calls, waiting on the worker's loop.
//
// First it is made and set up by queries, one at a time; then it becomes a pipeline: statements are
// sent without waiting, sync() ends each transaction, and results come in order.
#pragma once

#include "base/clock.hpp"
#include "base/task.hpp"
#include "net/worker.hpp"
#include "store/postgres/url.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct pg_result;

namespace lethe::store::postgres {

// What the server (or libpq) said when it refused.
struct failure {
    std::string sqlstate;  // "" when it is libpq's own: the connection is lost
    std::string message;   // one line, without values
    bool fatal = false;    // the server ends the connection
};

// What one statement brought. Columns of prepared statements are in binary format.
class rows {
 public:
    rows() = default;
    explicit rows(pg_result* taken) noexcept : result_(taken) {}

    [[nodiscard]] std::size_t size() const noexcept;
    [[nodiscard]] std::size_t columns() const noexcept;
    [[nodiscard]] bool is_null(std::size_t row, std::size_t column) const noexcept;
    [[nodiscard]] std::string_view at(std::size_t row, std::size_t column) const noexcept;
    // Rows changed.
    [[nodiscard]] std::size_t affected() const noexcept;
    // "COMMIT", "INSERT 0 1"
    [[nodiscard]] std::string_view tag() const noexcept;

 private:
    struct clear {
        void operator()(pg_result* one) const noexcept;
    };
    std::unique_ptr<pg_result, clear> result_;
};

// One worker.
class connection {
 public:
    // Tries one server; its name is resolved first. Errors: unavailable (with `why`), timeout.
    [[nodiscard]] static task<std::unique_ptr<connection>> open(net::worker& on, const settings& to,
                                                                endpoint server,
                                                                steady_time deadline,
                                                                std::string& why);
    ~connection();
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    // Statements separated by semicolons, before become_pipeline(); what the last one brought, as
    // text. Errors: unavailable (with `why`), timeout; the connection is of no use then but for
    // an error that the server told.
    [[nodiscard]] task<rows> query(std::string sql, steady_time deadline, failure& why);
    // 150018 for 15.18
    [[nodiscard]] int server_version() const noexcept;
    // The server's process, as who answered at the beginning gave it.
    [[nodiscard]] int server_process() const noexcept;
    // "15.18"
    [[nodiscard]] std::string server_version_text() const;

    // Prepares the statements, given by name and text; from here on all that follows may be used.
    // Errors as query().
    [[nodiscard]] task<> become_pipeline(
        std::vector<std::pair<const char*, std::string>> statements, steady_time deadline,
        failure& why);
    // Queued in memory; flush() sends. Errors: unavailable, the connection is lost.
    [[nodiscard]] result<> send(const char* prepared, std::span<const std::string_view> arguments);
    // Ends a transaction: its statements are done from here on or none is.
    [[nodiscard]] result<> sync();

    enum class sent {
        all,
        part,  // wait until writable() and flush again
    };
    [[nodiscard]] result<sent> flush();
    // Waits; ends with unavailable after cancel(), and when the worker stops.
    [[nodiscard]] task<> writable();
    [[nodiscard]] task<> readable();
    // Takes what has come. unavailable: the connection is lost, but what had come can still be
    // read with next().
    [[nodiscard]] result<> receive();

    enum class news {
        nothing,  // that has come as a whole
        rows,     // a statement's, in `out`
        failed,   // a statement was refused, for the reason in `why`; nothing up to the sync holds
        skipped,  // a statement after one that was refused
        statement,  // the end of what a statement brings
        sync,       // the transaction's end; what came before holds if nothing was refused
    };
    [[nodiscard]] news next(rows& out, failure& why);
    // Bytes may have come that the socket does not tell of (TLS): ask receive() twice.
    [[nodiscard]] bool over_tls() const noexcept;

    // Ends all waits.
    void cancel() noexcept;

 private:
    struct impl;
    explicit connection(std::unique_ptr<impl> made) noexcept;

    std::unique_ptr<impl> impl_;
};

}  // namespace lethe::store::postgres
