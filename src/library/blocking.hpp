// A bounded pool of threads for work that blocks.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace lethe::net {
class worker;
}

namespace lethe::library {

// Any thread may submit. What was submitted runs, also when the pool is destroyed meanwhile.
class blocking_pool {
 public:
    blocking_pool(unsigned threads, std::size_t queue_max);
    ~blocking_pool();
    blocking_pool(const blocking_pool&) = delete;
    blocking_pool& operator=(const blocking_pool&) = delete;

    // False: the queue is full, and `work` is dropped.
    [[nodiscard]] bool submit(std::function<void()> work);

 private:
    void run();

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> queue_;
    std::size_t queue_max_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

// Makes the pool known to the coroutines of a worker, so that blocking() finds it without a global.
// Before the worker starts. The pool must outlive all coroutines of the worker.
void attach_pool(net::worker& to, blocking_pool& pool);

}  // namespace lethe::library
