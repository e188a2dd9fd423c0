// Simulated time: events in the order of (time, a tie-break drawn from the seed), dice, the trace.
//
// Nothing here knows the real time. Two runs of one seed make the same draws and run the same
// events in the same order.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::simulation {

using std::chrono::microseconds;
// Since the run began.
using moment = microseconds;

// A number that looks random and depends on both.
[[nodiscard]] std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept;

// A few draws for one decision. Dice made from mix(seed, what it is about) do not depend on what
// else was drawn before: so a fault that is left out leaves the other draws as they are.
class dice {
 public:
    explicit dice(std::uint64_t state) noexcept : state_(state) {}

    std::uint64_t next() noexcept;
    // bound > 0.
    std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }
    bool chance(unsigned of_a_thousand) noexcept { return below(1000) < of_a_thousand; }
    microseconds between(microseconds low, microseconds high) noexcept {
        const auto span = static_cast<std::uint64_t>((high - low).count()) + 1;
        return low + microseconds{static_cast<std::int64_t>(below(span))};
    }
    template <class T, std::size_t N>
    T one_of(const T (&values)[N]) noexcept {
        return values[below(N)];
    }

 private:
    std::uint64_t state_;
};

struct fact {
    std::string_view name;
    std::uint64_t value;
};

// What happened, line by line; its digest is always there, its text only on demand.
class trace {
 public:
    explicit trace(bool keep) : keep_(keep) {}

    void note(moment at, std::string_view event, std::initializer_list<fact> facts,
              std::string_view text = {});
    [[nodiscard]] std::uint64_t digest() const noexcept { return digest_; }
    [[nodiscard]] std::string take() noexcept { return std::move(text_); }

 private:
    void digest(std::string_view bytes) noexcept;
    void digest(std::uint64_t number) noexcept;

    bool keep_;
    std::uint64_t digest_ = 0xcbf29ce484222325;
    std::string text_;
};

class schedule {
 public:
    schedule(std::uint64_t seed, bool keep_trace) : seed_(seed), trace_(keep_trace) {}

    [[nodiscard]] moment now() const noexcept { return now_; }
    // Not before now.
    void at(moment when, std::function<void()> what);
    void after(microseconds delay, std::function<void()> what) {
        at(now_ + delay, std::move(what));
    }
    // Runs the next event; false when there is none.
    bool step();
    [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }

    void note(std::string_view event, std::initializer_list<fact> facts,
              std::string_view text = {}) {
        trace_.note(now_, event, facts, text);
    }
    [[nodiscard]] trace& history() noexcept { return trace_; }

 private:
    struct event {
        moment when;
        std::uint64_t tie;
        std::uint64_t number;
        std::function<void()> what;
    };
    static bool later(const event& a, const event& b) noexcept;

    std::uint64_t seed_;
    moment now_{0};
    std::uint64_t made_ = 0;
    std::uint64_t steps_ = 0;
    std::vector<event> events_;  // a heap, the next one in front
    trace trace_;
};

}  // namespace lethe::simulation
