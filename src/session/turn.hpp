// Turns at one session, for services that cannot take concurrent requests of one user: one after
// the other, first come, first served, across all gateways on a store.
//
//     "q:" SHA-256(identity):  "LQ" | 1 | unclean | entries: id (16) beat (4), the holder first
//
// Who waits or holds says so by a new beat now and then; an entry whose beat one watched unchanged
// for a whole lease by one's own clock is dropped. So no two clocks need agree. A holder that was
// dropped may still live: who comes behind it writes the session's record anew, unchanged, before
// reading it. The late one's write is then refused, and before it tries again it looks whether the
// turn is still its own (turn_guard). Readers take no turn.
#pragma once

#include "base/random.hpp"
#include "session/errors.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::session {

// Those who may wait at one session, the holder included.
inline constexpr std::size_t turn_queue_max = 64;

// Work that outlives its exchange.
class background {
 public:
    virtual void spawn(task<> work) = 0;

 protected:
    ~background() = default;
};

struct turn_entry {
    std::string id;  // 16 random bytes
    std::uint32_t beat = 0;
    bool operator==(const turn_entry&) const = default;
};
struct turn_queue {
    bool unclean = false;  // a holder was dropped, and nobody has fenced it off yet
    std::vector<turn_entry> entries;
    bool operator==(const turn_queue&) const = default;
};
[[nodiscard]] std::string to_bytes(const turn_queue& queue);
// errc::corrupt for what to_bytes does not write.
[[nodiscard]] result<turn_queue> parse_turn_queue(std::string_view bytes);

// Asked before a refused write is tried again.
class turn_guard {
 public:
    // errc::turn_lost when another's turn may have begun; the store's errors.
    [[nodiscard]] virtual task<> confirm(steady_time deadline) = 0;

 protected:
    ~turn_guard() = default;
};

class turns;

// A turn; given back when it dies.
class turn final : public turn_guard {
 public:
    struct shared;
    turn(turns& owner, std::shared_ptr<shared> what) : owner_(owner), what_(std::move(what)) {}
    ~turn();
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;

    // The holder before was dropped: fence it off before reading the session.
    [[nodiscard]] bool unclean() const noexcept;
    void fenced() noexcept;
    [[nodiscard]] task<> confirm(steady_time deadline) override;

 private:
    turns& owner_;
    std::shared_ptr<shared> what_;
};

// One per worker and store.
class turns {
 public:
    struct rules {
        std::chrono::milliseconds wait;
        std::chrono::milliseconds lease;
    };

    turns(store::store& records, clock& time, random_source& random, background& behind)
        : store_(records), clock_(time), random_(random), background_(behind) {}
    turns(const turns&) = delete;
    turns& operator=(const turns&) = delete;

    // errc::turn_refused when the wait is over or too many wait; the store's errors. `gone` is
    // asked while waiting; true gives up, too.
    [[nodiscard]] task<std::unique_ptr<turn>> take(std::string identity, rules how,
                                                   steady_time deadline, const bool& gone);

 private:
    friend class turn;
    struct waiting;

    [[nodiscard]] task<> look(waiting& w, steady_time deadline);
    [[nodiscard]] task<> step(waiting& w, steady_time deadline);
    void drop_silent(waiting& w) const;
    [[nodiscard]] task<> leave(std::shared_ptr<turn::shared> what);
    [[nodiscard]] task<> beat(std::shared_ptr<turn::shared> what);
    [[nodiscard]] task<> keep_alive();
    [[nodiscard]] store::put put_queue(const turn::shared& what, const turn_queue& queue,
                                       store::expectation expect) const;

    store::store& store_;
    clock& clock_;
    random_source& random_;
    background& background_;
    std::vector<std::shared_ptr<turn::shared>> held_;
    bool keeping_ = false;
};

}  // namespace lethe::session
