// Several lanes at once, each on a thread of its own, through all of the corpus.
#pragma once

#include "hostile/lane.hpp"

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace lethe::test::hostile {

class all_lanes {
 public:
    static constexpr std::size_t count = 6;

    all_lanes() {
        for (std::size_t i = 0; i < count; ++i) lanes_.push_back(std::make_unique<lane>());
    }
    [[nodiscard]] std::vector<std::uint16_t> upstreams() const {
        std::vector<std::uint16_t> out;
        for (const auto& one : lanes_) out.push_back(one->port());
        return out;
    }

    // work(lane, its index, job) for each job below `jobs`. What it throws ends all and is thrown
    // here.
    template <class Work>
    void run(std::size_t jobs, const Work& work) {
        std::atomic<std::size_t> next{0};
        std::exception_ptr failed;
        std::mutex guard;
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < count; ++i)
            threads.emplace_back([&, i] {
                try {
                    for (std::size_t job = next++; job < jobs; job = next++)
                        work(*lanes_[i], i, job);
                } catch (...) {
                    const std::lock_guard lock(guard);
                    failed = std::current_exception();
                    next = jobs;
                }
            });
        for (std::thread& one : threads) one.join();
        if (failed) std::rethrow_exception(failed);
    }

 private:
    std::vector<std::unique_ptr<lane>> lanes_;
};

}  // namespace lethe::test::hostile
