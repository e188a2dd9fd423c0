#include "simulation/schedule.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace lethe::simulation {
namespace {

constexpr std::uint64_t golden = 0x9e3779b97f4a7c15;

// The finaliser of SplitMix64.
std::uint64_t scramble(std::uint64_t z) noexcept {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

}  // namespace

std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
    return scramble(scramble(a + golden) + b * golden + 1);
}

std::uint64_t dice::next() noexcept {
    state_ += golden;
    return scramble(state_);
}

void trace::digest(std::string_view bytes) noexcept {
    for (const char one : bytes)
        digest_ = (digest_ ^ static_cast<unsigned char>(one)) * 0x100000001b3;
}

void trace::digest(std::uint64_t number) noexcept {
    digest_ = scramble(digest_ ^ number) * 0x100000001b3;
}

void trace::note(moment at, std::string_view event, std::initializer_list<fact> facts,
                 std::string_view text) {
    digest(static_cast<std::uint64_t>(at.count()));
    digest(event);
    for (const fact& one : facts) digest(one.value);
    digest(text);
    if (!keep_) return;
    const std::string micros = std::to_string(at.count() % 1'000'000);
    text_ += std::to_string(at.count() / 1'000'000) + '.' + std::string(6 - micros.size(), '0') +
             micros + "  " + std::string(event);
    for (const fact& one : facts)
        text_ += ' ' + std::string(one.name) + '=' + std::to_string(one.value);
    if (!text.empty()) text_ += "  " + std::string(text);
    text_ += '\n';
}

bool schedule::later(const event& a, const event& b) noexcept {
    return std::tie(a.when, a.tie, a.number) > std::tie(b.when, b.tie, b.number);
}

void schedule::at(moment when, std::function<void()> what) {
    const std::uint64_t number = ++made_;
    events_.push_back({std::max(when, now_), mix(seed_, number), number, std::move(what)});
    std::push_heap(events_.begin(), events_.end(), later);
}

bool schedule::step() {
    if (events_.empty()) return false;
    std::pop_heap(events_.begin(), events_.end(), later);
    const event next = std::move(events_.back());
    events_.pop_back();
    now_ = next.when;
    ++steps_;
    next.what();
    return true;
}

}  // namespace lethe::simulation
