// One file, shared by all workers: a writer that groups what they ask into common commits, and
// readers that never wait for it.
//
//     worker --call--> queue --> writer: BEGIN IMMEDIATE, every waiting call, COMMIT --> each
//     worker worker --call--> queue --> a reader: snapshot of the last commit ------------------->
//     the worker
#pragma once

#include "base/metrics.hpp"
#include "store/open.hpp"
#include "store/sqlite/connection.hpp"

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

// A call that crosses to the database's threads and back.
//
//     queued --begin()--> begun --finish()--> finished
//     queued --its worker's deadline--> given up: never executed
//     begun  --its worker's deadline--> given up: done or not, its answer is nobody's
class call {
 public:
    using answers = result<std::vector<answer>>;

    std::vector<operation> operations;  // empty: a listing or a ping
    bool all_or_nothing = false;
    // Reads: runs on a reader's connection and leaves its answer where the worker finds it.
    std::function<error_code(class records&, system_time now)> read;
    answers outcome;
    // Called once on the database's thread when the outcome stands; passes it to the worker.
    std::function<void()> wake;

    // False: nobody waits any more, leave it out.
    [[nodiscard]] bool begin() noexcept { return move(state::queued, state::begun); }
    // The worker's deadline has passed. True: it was not begun and never will be.
    [[nodiscard]] bool give_up() noexcept { return move(state::queued, state::given_up); }

 private:
    enum class state : std::uint8_t { queued, begun, given_up };
    bool move(state from, state to) noexcept { return state_.compare_exchange_strong(from, to); }
    std::atomic<state> state_{state::queued};
};
using call_ptr = std::shared_ptr<call>;

struct database_options {
    std::string path;
    synchronous mode = synchronous::full;
    std::int64_t pages_max = 0;  // tests: as if the disk were full; 0: no limit
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

    // Any thread. errc::overloaded when the queue is full, unavailable when closed; `wake` is not
    // called then.
    [[nodiscard]] result<> submit_write(call_ptr one);
    [[nodiscard]] result<> submit_read(call_ptr one);

    [[nodiscard]] const metrics::registry& metrics() const noexcept { return registry_; }

 private:
    struct queue {
        std::mutex mutex;
        std::condition_variable wake;
        std::deque<call_ptr> calls;
        std::size_t bytes = 0;
        bool closed = false;
    };

    [[nodiscard]] result<> submit(queue& to, call_ptr one);
    [[nodiscard]] result<> check_path(std::string& why) const;
    [[nodiscard]] std::vector<call_ptr> take_group();
    void write_all();
    void commit(std::vector<call_ptr> group, connection& on, records& tables);
    [[nodiscard]] result<> run_group(const std::vector<call_ptr>& group, records& tables,
                                     system_time now);
    [[nodiscard]] result<> run_call(call& one, connection& on, records& tables, system_time now);
    void fail(const std::vector<call_ptr>& group, const error_code& why);
    void purge_some(connection& on, records& tables);
    void read_all(connection& on);

    const database_options what_;
    const open_options how_;
    std::function<system_time()> now_;
    metrics::registry registry_;
    metrics::counter& commits_;
    metrics::counter& committed_calls_;
    metrics::counter& failed_commits_;
    metrics::gauge& queued_;
    queue writes_;
    queue reads_;
    connection writer_;
    std::vector<std::unique_ptr<connection>> readers_;
    std::vector<std::thread> threads_;
    std::int64_t data_version_ = 0;
    bool contended_ = false;  // another process writes, too
};

}  // namespace lethe::store::sqlite
