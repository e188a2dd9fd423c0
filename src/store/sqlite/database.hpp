// One file, shared by all workers: a writer that groups what they ask into common commits, and
// readers that never wait for it.
//
//     worker --call--> queue --> writer: BEGIN IMMEDIATE, every waiting call, COMMIT --> each
//     worker worker --call--> queue --> a reader: a snapshot of the last commit --> the worker
#pragma once

#include "base/metrics.hpp"
#include "store/open.hpp"
#include "store/sqlite/call.hpp"
#include "store/sqlite/checkpointer.hpp"
#include "store/sqlite/connection.hpp"
#include "store/sqlite/turn.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace lethe::store::sqlite {

struct database_options {
    std::string path;
    synchronous mode = synchronous::full;
    // Pages of the write-ahead log: see writer_options.
    std::int64_t log_pages_soft = 4096;
    std::int64_t log_pages_hard = 16384;
    // For tests.
    std::int64_t pages_max = 0;        // as if the disk were full; 0: no limit
    const char* file_layer = nullptr;  // SQLite's VFS of this name
};

class database {
 public:
    database(database_options what, const open_options& how);
    ~database();
    database(const database&) = delete;
    database& operator=(const database&) = delete;

    // Opens the file and starts the threads. On failure `why` is a sentence for a person.
    [[nodiscard]] result<> start(std::string& why);
    // Finishes what is queued, then refuses. Blocks.
    void close();

    // Any thread. errc::overloaded when the queue is full, unavailable when closed; the call is not
    // given back then.
    [[nodiscard]] result<> submit_write(call_ptr one);
    [[nodiscard]] result<> submit_read(call_ptr one);

    // The file's schema as start() found it, the first time it is asked; then as it is now.
    [[nodiscard]] std::int64_t take_schema_found() noexcept;
    [[nodiscard]] const std::string& path() const noexcept { return what_.path; }
    [[nodiscard]] synchronous mode() const noexcept { return what_.mode; }

    [[nodiscard]] const metrics::registry& metrics() const noexcept { return registry_; }

 private:
    struct queue {
        std::mutex mutex;
        std::condition_variable wake;
        std::deque<call_ptr> calls;
        std::size_t operations = 0;
        std::size_t bytes = 0;
        std::size_t wanted_calls = 1;  // somebody is woken when so many wait
        bool closed = false;
    };

    [[nodiscard]] result<> submit(queue& to, call_ptr one);
    [[nodiscard]] static call_ptr take(queue& from);
    [[nodiscard]] result<> check_path(std::string& why) const;
    [[nodiscard]] result<> open_writer(std::string& why);
    [[nodiscard]] result<> open_readers(std::string& why);
    [[nodiscard]] connection_options with_cache(int kibibytes) const;
    // False: nothing waits, and `at_most` is over or the queue was closed.
    [[nodiscard]] bool wait_for_calls(std::chrono::microseconds at_most);
    // Waits for `calls` of them, or for as long as that may bring something.
    void gather(std::size_t calls, std::chrono::microseconds at_most);
    [[nodiscard]] std::vector<call_ptr> take_group();
    [[nodiscard]] bool finished();
    void write_all();
    [[nodiscard]] std::vector<call_ptr> take_reads();
    void read_all(connection& on);

    const database_options what_;
    const open_options how_;
    std::function<system_time()> now_;
    metrics::registry registry_;
    metrics::gauge& queued_;
    queue writes_;
    queue reads_;
    turn turn_;
    connection writer_;
    checkpointer checkpointer_;
    std::vector<std::unique_ptr<connection>> readers_;
    std::vector<std::thread> threads_;
    std::atomic<std::int64_t> schema_found_{0};
};

}  // namespace lethe::store::sqlite
