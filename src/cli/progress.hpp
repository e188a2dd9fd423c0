// How far a long command is, on standard error: a bar on a terminal, else a line now and then.
#pragma once

#include "base/clock.hpp"

#include <cstdint>
#include <string>

namespace lethe::cli {

class progress {
 public:
    // `what`: "copied". `total` 0: not known, so without a bar.
    progress(clock& time, std::string what, std::uint64_t total);
    // Leaves the line to what comes next.
    ~progress();
    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;

    // May be called as often as one likes.
    void show(std::uint64_t done);

    // "[#####.....]  50 %  1,000 of 2,000 copied, 480/s, 2 s left"; `seconds` since the beginning,
    // in which `made` of the `done` were done.
    [[nodiscard]] static std::string line(const std::string& what, std::uint64_t done,
                                          std::uint64_t total, std::uint64_t made, double seconds);

 private:
    clock& time_;
    std::string what_;
    std::uint64_t total_;
    bool on_terminal_;
    bool shown_ = false;
    bool begun_ = false;
    std::uint64_t done_at_first_ = 0;
    steady_time begin_;
    steady_time next_;
};

// "12,345"
[[nodiscard]] std::string with_commas(std::uint64_t number);
// "1 record", "2 records"
[[nodiscard]] std::string count_of(std::uint64_t count, const std::string& noun);

}  // namespace lethe::cli
