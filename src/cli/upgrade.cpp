#include "cli/upgrade.hpp"

#include "base/log.hpp"

#include <sys/wait.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace lethe::cli {

upgrade::upgrade(std::string config_file) : config_file_(std::move(config_file)) {
    std::error_code failed;
    program_ = std::filesystem::read_symlink("/proc/self/exe", failed).string();
}

void upgrade::start(const gateway::gateway& running) {
    look();
    if (successor_ > 0) {
        log::warn("gateway.upgrade_under_way", {{"pid", successor_}});
        return;
    }
    successor_ = net::start_successor(program_, {program_, "serve", "-c", config_file_},
                                      running.to_hand_over());
    if (successor_ > 0)
        log::info("gateway.upgrade_started", {{"pid", successor_}, {"program", program_}});
    else
        log::error("gateway.upgrade_failed",
                   {{"why", std::error_code(errno, std::generic_category()).message()}});
}

void upgrade::look() {
    int status = 0;
    if (successor_ <= 0 || ::waitpid(successor_, &status, WNOHANG) != successor_) return;
    successor_ = -1;
    // What was wrong it has said itself, on the same standard error.
    log::error("gateway.upgrade_failed",
               {{"why", "the successor ended before it served"},
                {"exit", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)}});
}

}  // namespace lethe::cli
