// The one that changes the file: runs all calls of a group in one transaction, so that they share a
// commit, and tells each how it ended.
//
//     begin() --> serve(group): every call, COMMIT --> each worker --> tidy()
//                    | a call fails, the disk is full
//                    +--> ROLLBACK, then each call alone: only those that fail report it
//                    | COMMIT reports an I/O error: the log may hold it all the same
//                    +--> a commit over it: nothing was changed; else the outcome is unknown
#pragma once

#include "base/metrics.hpp"
#include "store/sqlite/call.hpp"
#include "store/sqlite/checkpointer.hpp"
#include "store/sqlite/connection.hpp"
#include "store/sqlite/records.hpp"
#include "store/sqlite/turn.hpp"

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace lethe::store::sqlite {

struct writer_options {
    std::string store;  // its name in logs and metrics
    std::function<system_time()> now;
    // Beyond the first, the write-ahead log is moved to the database beside the commits; beyond the
    // second, the writer moves the rest and waits for readers, so that it begins anew.
    std::int64_t log_pages_soft = 4096;
    std::int64_t log_pages_hard = 16384;
};

// The writer's thread.
class writer {
 public:
    // All outlive it.
    writer(connection& on, turn& among, checkpointer& beside, writer_options how,
           metrics::registry& registry);

    // Waits for the lock; then serve(), with what came meanwhile, too.
    void begin();
    // Executes the group, or fails it when begin() did; its calls go back to their workers.
    void serve(std::vector<call_ptr> group);
    // What can wait until the answers are out: checkpoints, expired records.
    void tidy(bool idle);
    // The last thing: leaves an empty log where nobody else uses the file.
    void finish();

    // How long the last commit took.
    [[nodiscard]] std::chrono::microseconds commit_time() const noexcept { return commit_time_; }
    // When tidy() wants to be called again, from now.
    [[nodiscard]] std::chrono::microseconds rest() const;

 private:
    // How a transaction ended that began.
    struct ending {
        error_code error = {};
        bool doubtful = false;    // an I/O error at the commit
        std::string detail = {};  // for the log
    };

    int begin_transaction();
    [[nodiscard]] ending run(std::span<const call_ptr> group);
    [[nodiscard]] result<> run_calls(std::span<const call_ptr> group);
    [[nodiscard]] result<> run_call(call& one, system_time now);
    [[nodiscard]] result<> run_transaction(call& one, system_time now);
    [[nodiscard]] ending fail_commit(int code);
    [[nodiscard]] bool overwrite_failed_commit();
    void serve_each(std::span<call_ptr> group);
    void end(std::span<call_ptr> group, const ending& how);
    void purge();
    void checkpoint(bool idle);

    connection& on_;
    turn& turn_;
    checkpointer& checkpointer_;
    const writer_options how_;
    records tables_;
    statement savepoint_;
    statement release_;
    statement roll_back_to_;
    metrics::counter& commits_;
    metrics::counter& committed_calls_;
    metrics::counter& failed_commits_;
    metrics::gauge& log_bytes_;

    int begun_ = 0;                  // SQLite's code of begin()
    std::int64_t data_version_ = 0;  // when the transaction began
    bool last_failed_ = false;       // the last transaction that changed something
    std::chrono::microseconds commit_time_{};
    steady_time next_purge_ = {};
    steady_time no_restart_before_ = {};
    std::int64_t asked_pages_ = 0;  // of the log, when it was last to be moved
};

}  // namespace lethe::store::sqlite
