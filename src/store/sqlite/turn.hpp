// Whose turn it is to ask for the write lock, among the processes that share a file.
//
// SQLite's lock is not a queue: who has just let go of it gets it again before those who wait have
// looked. So a process takes the turn first, asks for the lock, and passes the turn on when it has
// it. The one that holds the turn is next; whoever wants to write again stands behind it. It is an
// empty file locked with flock(2), which a dying process lets go of. Only fairness hangs on it,
// never correctness: when it cannot be had in time, or there is no such file, the writer goes on
// without.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace lethe::store::sqlite {

// A pause between two looks at a lock: short at first, longer in a long wait, never twice the same,
// so that waiting processes do not go in step.
class pauses {
 public:
    // Blocks, for a thread of the database. False: `at_most` is over.
    [[nodiscard]] bool wait(std::chrono::microseconds at_most);
    [[nodiscard]] std::chrono::microseconds waited() const noexcept { return waited_; }
    void restart() noexcept { waited_ = {}; }

 private:
    std::chrono::microseconds waited_{};
    std::uint64_t disorder_ = 0;
};

// One thread.
class turn {
 public:
    turn() = default;
    ~turn();
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;

    // Beside the database file.
    void open(const std::string& path);
    // Waits for it, for a while at most; whether it was taken.
    bool take();
    void pass_on();

 private:
    int file_ = -1;
    bool taken_ = false;
    // Somebody holds it who does not move on: so many times we do not ask.
    unsigned skipped_ = 0;
};

}  // namespace lethe::store::sqlite
