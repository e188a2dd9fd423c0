// Runs tasks on a worker's own thread and waits for them, for tests of what needs a running worker:
// engines behind a network.
#pragma once

#include "base/task.hpp"
#include "net/worker.hpp"

#include <future>
#include <memory>
#include <utility>

namespace lethe::test {

namespace detail {
template <class T>
struct delivery {
    task<T> work;
    std::promise<result<T>> to;
};
template <class T>
task<> deliver(std::shared_ptr<delivery<T>> what) {
    result<T> got = co_await std::move(what->work);
    what->to.set_value(std::move(got));
    co_return result<>{};
}
}  // namespace detail

// Begins it; several may be under way. From any thread; wait for them on any but the worker's.
template <class T>
std::future<result<T>> begin_on_worker(net::worker& on, task<T> work) {
    abort_on_bug(true);
    const auto what = std::make_shared<detail::delivery<T>>(std::move(work));
    std::future<result<T>> coming = what->to.get_future();
    on.post([&on, what] { on.spawn(detail::deliver(what)); });
    return coming;
}

// const auto answer = on_worker(worker, store.run(…));
template <class T>
result<T> on_worker(net::worker& on, task<T> work) {
    return begin_on_worker(on, std::move(work)).get();
}

// The same for what does not await: making and destroying what belongs to the worker.
template <class Work>
void do_on_worker(net::worker& on, const Work& work) {
    std::promise<void> done;
    std::future<void> coming = done.get_future();
    on.post([&] {
        work();
        done.set_value();
    });
    coming.get();
}

// A worker that runs as long as this lives.
class running_worker {
 public:
    running_worker() { worker_.start(); }
    ~running_worker() { worker_.stop(); }
    running_worker(const running_worker&) = delete;
    running_worker& operator=(const running_worker&) = delete;

    [[nodiscard]] net::worker& get() noexcept { return worker_; }
    template <class T>
    result<T> run(task<T> work) {
        return on_worker(worker_, std::move(work));
    }

 private:
    net::worker worker_;
};

}  // namespace lethe::test
