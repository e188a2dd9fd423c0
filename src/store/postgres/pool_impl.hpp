// The inside of a pool: its connections as lanes.
#pragma once

#include "store/postgres/pool.hpp"

#include <deque>
#include <optional>

namespace lethe::store::postgres {

// One connection, made again and again, and what is under way on it.
struct lane final : net::timer {
    lane(pool::impl& owner, std::size_t at) : in(owner), index(at) {}

    enum class state : std::uint8_t { idle, connecting, open };

    // The server has been silent for too long.
    void expired() override;

    // Hands the flight to the connection. False: the connection is lost, and the flight with it.
    bool send(flight one);
    void send_rollback();
    [[nodiscard]] bool may_take(bool writes) const noexcept;
    // Reads from the connection until it ends.
    static task<> run(std::shared_ptr<pool::impl> in, lane& self, std::shared_ptr<connection> with);
    static task<> write(std::shared_ptr<pool::impl> in, lane& self,
                        std::shared_ptr<connection> with);
    void flush();
    // False: nobody can say what comes next.
    bool take_news();
    void finish(flight& done);
    void settle_refused(flight& one);
    void lost();
    void expect_bytes();

    pool::impl& in;
    const std::size_t index;
    state now = state::idle;
    std::shared_ptr<connection> with;
    std::deque<flight> flights;
    bool writing = false;    // a coroutine waits until the kernel takes more
    bool held = false;       // a transaction is open between two flights
    std::uint64_t hold = 0;  // which one
    bool answered = false;
    bool doomed = false;  // to be closed when all that is under way has come back
};

struct pool::impl final : net::stoppable, std::enable_shared_from_this<pool::impl> {
    impl(net::worker& on, pool_options given);

    void stop_waiting() noexcept override { close(); }
    void close() noexcept;

    [[nodiscard]] error_code refusal(const call& one, steady_time deadline);
    task<> wait(call& one, steady_time deadline);
    void enqueue(call& one);
    void leave(call& one);
    void end(call& one, error_code error);
    // Nothing was changed: it may be asked again.
    void ask_again(call& one);
    void end_waiting(const error_code& error);
    [[nodiscard]] call_queue& queue_of(const call& one) noexcept {
        return one.what == purpose::read ? reads : writes;
    }

    void dispatch_soon();
    void dispatch();
    bool fill(lane& one);
    [[nodiscard]] std::size_t fair_share() const noexcept;
    [[nodiscard]] bool any(bool writer) const noexcept;
    [[nodiscard]] bool is_writer(const lane& one) const noexcept;
    [[nodiscard]] bool is_reader(const lane& one) const noexcept;
    [[nodiscard]] bool all_idle() const noexcept;
    [[nodiscard]] bool hopeless(steady_time now) const noexcept;
    void connect_lanes();
    static task<> connect(std::shared_ptr<impl> self, lane& one);
    void attempt_failed(const std::string& why);
    void pause();
    void wake_soon();
    void wake();

    struct counted {
        counted(metrics::registry& registry, const std::string& store);
        metrics::counter& made;
        metrics::counter& failed;
        metrics::counter& lost;
        metrics::gauge& open;
        metrics::gauge& under_way;
        metrics::counter& commits;
        metrics::counter& committed;
        metrics::counter& retries;
    };

    struct dispatch_later final : net::timer {
        explicit dispatch_later(impl& owner) : in(owner) {}
        void expired() override { in.dispatch_soon(); }
        impl& in;
    };

    net::worker& owner;
    const pool_options options;
    counted counts;
    dispatch_later later{*this};
    std::deque<lane> lanes;
    call_queue reads;
    call_queue writes;
    std::vector<call*> ended;  // to be resumed
    bool closed = false;
    bool enlisted = false;
    bool dispatch_coming = false;
    bool wake_coming = false;
    std::size_t endpoint = 0;  // the last that let us in
    std::uint64_t holds = 0;
    steady_time not_before = steady_time::min();
    std::chrono::milliseconds last_pause{0};
};

}  // namespace lethe::store::postgres
