// What waits for a connection, what is under way on one, and what is done about a refusal. No
// sockets.
#pragma once

#include "base/task.hpp"
#include "net/suspension.hpp"
#include "net/timer.hpp"
#include "store/postgres/connection.hpp"
#include "store/postgres/statements.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace lethe::store::postgres {

enum class purpose : std::uint8_t {
    read,         // changes nothing
    write,        // each statement by itself: may share a commit with others
    alone,        // shares with nobody
    transaction,  // BEGIN and statements whose changes hold after `commit`
    commit,       // of a transaction
    rollback,     // of a transaction; nobody waits for it
};

// One call and the coroutine that waits for it.
struct call final : net::timer {
    call(std::vector<statement> asked, purpose why);
    void expired() override { on_deadline(*this); }

    std::vector<statement> statements;
    purpose what;
    std::size_t bytes = 0;
    std::size_t operations = 0;
    std::function<void(call&)> on_deadline;

    // One for each statement, when it ended without an error.
    std::vector<rows> answers;
    error_code error;
    net::suspension waiting;
    bool ended = false;

    // Where a transaction that was begun is held.
    std::size_t lane_index = 0;
    std::uint64_t hold = 0;

    bool shares = true;     // a commit with others: until one of them was refused
    unsigned attempts = 0;  // that are known to have changed nothing
    // Among those that wait.
    call* previous = nullptr;
    call* next = nullptr;
    bool queued = false;
};

// Calls in their order, linked by themselves.
class call_queue {
 public:
    void push_back(call& one) noexcept;
    void push_front(call& one) noexcept;
    void remove(call& one) noexcept;
    [[nodiscard]] call* front() const noexcept { return first_; }
    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    [[nodiscard]] std::size_t operations() const noexcept { return operations_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
    void link(call& one) noexcept;

    call* first_ = nullptr;
    call* last_ = nullptr;
    std::size_t operations_ = 0;
    std::size_t bytes_ = 0;
};

// What one sync ends: one transaction of the server.
struct flight {
    struct step {
        std::size_t member;  // nobody: the lock that goes before
        std::size_t statement;
    };
    static constexpr std::size_t nobody = static_cast<std::size_t>(-1);

    purpose what = purpose::read;
    std::vector<call*> members;  // null: it left
    std::vector<step> steps;     // in the order they are sent
    std::size_t answered = 0;
    bool refused = false;
    failure why = {};

    [[nodiscard]] bool changes() const noexcept {
        return what == purpose::write || what == purpose::alone || what == purpose::commit;
    }
    // The server said no before it came to the end: nothing holds.
    [[nodiscard]] bool refused_early() const noexcept { return refused && answered < steps.size(); }
    void take(rows got);
    void forget(const call& one) noexcept;
};

inline constexpr std::size_t flight_operations_max = 256;

// Takes what may leave together from the front of a queue that is not empty: statements in the
// order of their keys, so that no two transactions wait for each other crosswise; where one of them
// has several keys, behind a lock of all. About `operations_max` of them, but one call at least.
[[nodiscard]] flight make_flight(call_queue& from,
                                 std::size_t operations_max = flight_operations_max);
// All of its statements' keys, in their order.
[[nodiscard]] std::vector<std::string_view> keys_of(const flight& one);

// What to do with a call that was refused by itself and has changed nothing.
enum class remedy : std::uint8_t {
    again,      // another was in the way
    reconnect,  // the connection is of no use (any more): again on another
    give_up,    // unavailable, and somebody should know
    corrupt,
};
[[nodiscard]] remedy remedy_for(const failure& why) noexcept;

}  // namespace lethe::store::postgres
