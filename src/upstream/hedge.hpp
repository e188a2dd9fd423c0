// A second try of a slow read at another replica: whichever answers first is taken.
//
//     primary:  send ....................... cancelled     (or the answer: then the hedge is)
//     hedge:         after | send ... answer: taken
#pragma once

#include "net/suspension.hpp"
#include "net/timer.hpp"
#include "upstream/pool.hpp"

#include <memory>
#include <string>

namespace lethe::upstream {

// What goes to the other replica. Outlives the request where that replica is slow to take the
// connection and the other answered: such a connect cannot be taken back.
struct hedge_try {
    explicit hedge_try(pool& to) : owner(to) {}

    pool& owner;
    std::shared_ptr<const void> keeps;  // the pool
    std::size_t replica = 0;
    std::string head;
    http::method method = http::method::get;
    steady_time deadline{};
    arena memory;
    http::response_head answer{memory};
    std::unique_ptr<http::client_connection> with;
    enum class state : std::uint8_t { running, answered, failed } now = state::running;
    bool anything_sent = false;
    bool given_up = false;         // nobody asks for it any more
    class hedge* asker = nullptr;  // until then
};

// One worker. Lives while its request waits for the primary replica. Gives up the other one, if it
// was asked and not taken, when it is destroyed.
class hedge final : public net::timer, public http::cancellable {
 public:
    // Asks another replica after options::hedge, unless it is destroyed before. `head` and
    // `primary` outlive it.
    hedge(pool& owner, const http::exchange& x, std::size_t replica, std::string_view head,
          http::client_connection& primary);
    ~hedge();
    hedge(const hedge&) = delete;
    hedge& operator=(const hedge&) = delete;

    // The primary came to nothing: waits for the other, if it was asked and `gone` does not hold.
    // Null: it has no answer either.
    task<hedge_try*> answer_instead(bool gone);
    // Something was sent to the other replica.
    [[nodiscard]] bool sent() const noexcept { return try_ && try_->anything_sent; }

    // The client leaves while only the other is waited for.
    void cancel() noexcept override;

 private:
    void expired() override;
    void ended();
    static task<> run(std::shared_ptr<hedge_try> one);
    static task<> ask(hedge_try& one);
    static void release(hedge_try& one);

    pool& pool_;
    const http::exchange& exchange_;
    std::size_t replica_;
    std::string_view head_;
    http::client_connection* primary_;  // null: ended
    std::shared_ptr<hedge_try> try_;
    net::suspension waiting_;
};

}  // namespace lethe::upstream
