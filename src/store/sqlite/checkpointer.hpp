// Moves the write-ahead log to the database beside the writer, on a connection and a thread of its
// own: the writer's next commit does not wait for it.
#pragma once

#include "base/metrics.hpp"
#include "store/sqlite/connection.hpp"

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace lethe::store::sqlite {

class checkpointer {
 public:
    explicit checkpointer(metrics::counter& done) : done_(done) {}
    ~checkpointer();
    checkpointer(const checkpointer&) = delete;
    checkpointer& operator=(const checkpointer&) = delete;

    // An SQLite code; on failure `message` tells more.
    [[nodiscard]] int start(const connection_options& how, std::string& message);
    // Any thread. Moves what no reader needs any more; does not wait.
    void ask();
    // After what is under way. Twice is once.
    void close();

 private:
    void run();

    metrics::counter& done_;  // this thread's
    connection on_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool asked_ = false;
    bool closed_ = false;
    std::thread thread_;
};

}  // namespace lethe::store::sqlite
