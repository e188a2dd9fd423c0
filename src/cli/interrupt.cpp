#include "cli/interrupt.hpp"

#include <csignal>
#include <initializer_list>

namespace lethe::cli {
namespace {

volatile std::sig_atomic_t noted = 0;

void note(int) {
    noted = 1;
}

}  // namespace

void catch_interrupts() {
    struct sigaction action{};
    action.sa_handler = note;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
    sigemptyset(&action.sa_mask);
    for (const int one : {SIGINT, SIGTERM}) ::sigaction(one, &action, nullptr);
}

bool interrupted() noexcept {
    return noted != 0;
}

}  // namespace lethe::cli
