// A worker and the stores that a command works on, as the gateway has them: opened, used from the
// worker alone, closed in order.
#pragma once

#include "net/worker.hpp"
#include "store/open.hpp"

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace lethe::store::tools {

// All calls from the thread that made it.
class workbench {
 public:
    workbench();
    ~workbench();
    workbench(const workbench&) = delete;
    workbench& operator=(const workbench&) = delete;

    // `previous`: as for open_moving(); "" for none. The store lives as long as the workbench and
    // is used inside run() alone. On failure `why` is a sentence for a person.
    [[nodiscard]] result<store*> open(const std::string& url, const std::string& previous,
                                      const std::string& name, std::string& why);

    [[nodiscard]] net::worker& worker() noexcept { return worker_; }

    // Starts `work` on the worker and waits for its end.
    template <class T>
    [[nodiscard]] result<T> run(std::function<task<T>()> work) {
        std::promise<result<T>> answer;
        auto coming = answer.get_future();
        start();
        worker_.post([&] { worker_.spawn(keep(work, answer)); });
        return coming.get();
    }

 private:
    void start();
    template <class T>
    static task<> keep(const std::function<task<T>()>& work, std::promise<result<T>>& to) {
        result<T> got = co_await work();
        to.set_value(std::move(got));
        co_return result<>{};
    }

    net::worker worker_;
    bool started_ = false;
    std::vector<std::unique_ptr<engine>> engines_;
    std::vector<std::unique_ptr<store>> stores_;
};

}  // namespace lethe::store::tools
