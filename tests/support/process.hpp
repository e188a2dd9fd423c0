// Child processes of tests: started, killed, waited for, and never left behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lethe::test {

// Ports on 127.0.0.1 that nothing listens on; all different, also from those of earlier calls and
// of other test programs that run now. Below the range the system gives to outgoing connections, so
// that none of those takes one before the child listens there.
[[nodiscard]] std::vector<std::uint16_t> free_ports(std::size_t count);

// Whether every thread of a process is stopped (SIGSTOP), or none is left.
[[nodiscard]] bool stands_still(pid_t id);

// Made empty, removed with all that is in it.
class temporary_folder {
 public:
    // In `parent`, "" is the system's folder for such. Throws std::runtime_error.
    explicit temporary_folder(const std::string& prefix, const std::filesystem::path& parent = {});
    ~temporary_folder();
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    // It stays, for whoever looks for the reason of a failure.
    void keep() noexcept { keep_ = true; }

 private:
    std::filesystem::path path_;
    bool keep_ = false;
};

struct process_options {
    std::vector<std::string> command;  // the program's path, then its arguments
    std::filesystem::path output;      // gets standard output and error, appended; "": /dev/null
    std::filesystem::path working_folder = {};  // "": the caller's
    int third = -1;  // a descriptor that it has as its number 3; below 0: none
};

// Killed (SIGKILL) when it goes out of scope and when the thread that started it ends, however that
// comes: so start from a thread that outlives it. In a process group of its own: Ctrl-C on the
// terminal reaches the caller alone.
class process {
 public:
    // Throws std::runtime_error when it cannot be started.
    explicit process(const process_options& options);
    ~process();
    process(process&& other) noexcept;
    process& operator=(process&& other) noexcept;

    [[nodiscard]] pid_t id() const noexcept { return id_; }
    [[nodiscard]] bool running();
    void send(int signal) noexcept;
    // SIGSTOP, and waits until no thread of it runs: a signal that was sent has not yet arrived.
    void freeze() noexcept;
    void thaw() noexcept { send(SIGCONT); }
    // SIGKILL, and waits until it is gone.
    void kill_now() noexcept;
    // The exit status, or 128 + the signal that ended it; nullopt while it runs after `at_most`.
    [[nodiscard]] std::optional<int> wait(std::chrono::milliseconds at_most);

 private:
    void take_status(int status) noexcept;

    pid_t id_ = -1;
    std::optional<int> exit_;
};

struct finished_command {
    int exit = -1;       // 128 + signal when one ended it
    std::string output;  // standard output and error
};
// Runs a command to its end, which must come within `at_most`; else it is killed (137).
[[nodiscard]] finished_command run_command(const std::vector<std::string>& command,
                                           std::chrono::milliseconds at_most);

}  // namespace lethe::test
