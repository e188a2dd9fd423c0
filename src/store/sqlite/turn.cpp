#include "store/sqlite/turn.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

namespace lethe::store::sqlite {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::microseconds pause_first = 40us;
constexpr std::chrono::microseconds pause_last = 2ms;
// Longer than a few processes' commits take; a stopped process must not hold up the others for
// long.
constexpr std::chrono::microseconds turn_wait = 200ms;
constexpr unsigned skipped_after_waiting = 100;

}  // namespace

bool pauses::wait(std::chrono::microseconds at_most) {
    if (waited_ >= at_most) return false;
    const auto longest = std::clamp(waited_ / 8, pause_first, pause_last);
    // A linear congruence, started differently in each process, is disorder enough.
    if (disorder_ == 0) disorder_ = static_cast<std::uint64_t>(::getpid());
    disorder_ = disorder_ * 6364136223846793005U + 1442695040888963407U;
    const auto share = static_cast<std::chrono::microseconds::rep>((disorder_ >> 33) % 1024);
    const auto pause = longest / 2 + longest * share / 1024;
    // lint: allow(sleep) because it is a thread of the database, never a worker
    std::this_thread::sleep_for(pause);
    waited_ += pause;
    return true;
}

turn::~turn() {
    if (file_ >= 0) ::close(file_);
}

void turn::open(const std::string& path) {
    file_ = ::open((path + "-turn").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
}

bool turn::take() {
    if (file_ < 0) return false;
    if (skipped_ > 0) {
        --skipped_;
        return false;
    }
    pauses wait;
    while (true) {
        taken_ = ::flock(file_, LOCK_EX | LOCK_NB) == 0;
        if (taken_) return true;
        if (!wait.wait(turn_wait)) break;
    }
    skipped_ = skipped_after_waiting;
    return false;
}

void turn::pass_on() {
    if (std::exchange(taken_, false)) static_cast<void>(::flock(file_, LOCK_UN));
}

}  // namespace lethe::store::sqlite
