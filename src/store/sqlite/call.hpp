// A call that crosses to the database's threads and back.
//
//     queued --begin()--> begun --deliver()--> finished
//     queued --its worker's deadline--> given up: never executed
//     begun  --its worker's deadline--> given up: done or not, its answer is nobody's
#pragma once

#include "store/store.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace lethe::store::sqlite {

class call;
class connection;
class records;
using call_ptr = std::shared_ptr<call>;

// Where a worker gets its calls back.
class mailbox {
 public:
    virtual ~mailbox() = default;
    // The database's threads. The outcomes of `finished`, all of this mailbox, stand.
    virtual void deliver(std::span<const call_ptr> finished) = 0;
};

class call {
 public:
    using answers = result<std::vector<answer>>;

    explicit call(std::shared_ptr<mailbox> from) : from_(std::move(from)) {}
    virtual ~call() = default;
    call(const call&) = delete;
    call& operator=(const call&) = delete;

    std::vector<operation> operations = {};
    bool all_or_nothing = false;
    // Of the writer, with no operations: asks whether changes can be made now.
    bool probes_writer = false;
    // Instead of the operations: runs on a reader's connection, or inside the writer's transaction,
    // and leaves its answer where the worker finds it.
    std::function<error_code(connection& on, records&, system_time now)> work = {};
    answers outcome = std::vector<answer>{};

    // How much of a queue it takes.
    [[nodiscard]] std::size_t operations_count() const noexcept {
        return std::max<std::size_t>(operations.size(), 1);
    }
    [[nodiscard]] const std::shared_ptr<mailbox>& from() const noexcept { return from_; }

    // False: nobody waits any more, leave it out.
    [[nodiscard]] bool begin() noexcept { return move(state::queued, state::begun); }
    // The worker's deadline has passed. True: it was not begun and never will be.
    [[nodiscard]] bool give_up() noexcept { return move(state::queued, state::given_up); }

 private:
    enum class state : std::uint8_t { queued, begun, given_up };
    bool move(state from, state to) noexcept { return state_.compare_exchange_strong(from, to); }

    const std::shared_ptr<mailbox> from_;
    std::atomic<state> state_{state::queued};
};

// Gives the calls back to their workers: one wake-up each, however many calls are its own. Changes
// the order of `finished`.
void deliver(std::span<call_ptr> finished);

}  // namespace lethe::store::sqlite
