// The service behind the gateways: keeps no state of its own, says what it did with each request.
#pragma once

#include "simulation/facts.hpp"
#include "simulation/scenario.hpp"

#include <deque>
#include <functional>
#include <map>
#include <string>

namespace lethe::simulation {

// A request as it reaches the service.
struct arrival {
    std::uint64_t delivery = 0;
    std::uint64_t name = 0;  // the delivery's
    const request_facts* request = nullptr;
    std::string pseudonym;
    std::string operation;
    std::string version;        // of the session
    std::uint64_t attempt = 0;  // of a keyed request
    // A question whether the request of that key has run.
    bool asks = false;
};

class shop {
 public:
    // `remembers`: it knows keys by itself, and makes a repeated request take effect once.
    // `looks_again`: its answer to that may change the session anew, from what it sees then.
    shop(std::uint64_t seed, schedule& time, bool remembers, bool looks_again)
        : seed_(seed), time_(time), remembers_(remembers), looks_again_(looks_again) {}

    // Does what is asked (or says that it did not) and keeps the answer for comparison. What an
    // answer says about itself stands in its fields: X-Execution, whose effect it tells of, and
    // X-Changes, whether it brings that one's session change.
    const execution& execute(const arrival& what);
    // Called when the service says that nothing below that attempt has run or ever will.
    std::function<void(const arrival&)> denies;
    [[nodiscard]] const execution* find(std::uint64_t number) const;
    // From now on every answer is a good one.
    void calm() noexcept { calm_ = true; }

    [[nodiscard]] bool up() const noexcept { return up_; }
    void set_up(bool yes) noexcept { up_ = yes; }
    [[nodiscard]] std::size_t executions() const noexcept { return done_.size(); }

 private:
    void answer(execution& out, dice& d) const;
    void change_session(execution& out, dice& d) const;
    const execution& run(const arrival& what);
    const execution& tell(const execution& of, const arrival& to);
    const execution& change_anew(const execution& of, const arrival& to);
    void fill(execution& out, const arrival& by, dice& d) const;
    const execution& refuse(const arrival& what, int status);

    std::uint64_t seed_;
    schedule& time_;
    const bool remembers_;
    const bool looks_again_;
    struct memory {
        std::uint64_t execution = 0;
        std::uint64_t denied_below = 0;  // attempts
    };
    std::map<std::string, memory> memories_;  // by caller and key
    std::deque<execution> told_;              // other forms of answers; addresses stay
    bool calm_ = false;
    bool up_ = true;
    std::deque<execution> done_;  // number n at n - 1; addresses stay
};

}  // namespace lethe::simulation
