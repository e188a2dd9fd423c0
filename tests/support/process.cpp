#include "support/process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace lethe::test {
namespace {

using std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error(what + ": " + std::strerror(errno));
}

bool is_free(std::uint16_t port) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) fail("socket");
    const int yes = 1;
    ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool free = ::bind(descriptor, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
    ::close(descriptor);
    return free;
}

// Runs in the child between fork and exec: nothing but system calls.
[[noreturn]] void become(char* const* arguments, const char* output, const char* folder, int third,
                         pid_t parent) {
    // The parent may have died before the request to die with it was made.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) ::_exit(127);
    ::setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    const int in = ::open("/dev/null", O_RDONLY);
    const int out = ::open(output, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (in < 0 || out < 0) ::_exit(127);
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(out, 2);
    if (third >= 0) ::dup2(third, 3);
    // Sockets and files of the parent's other threads are none of the child's business.
    ::close_range(third >= 0 ? 4 : 3, ~0U, 0);
    if (folder != nullptr && ::chdir(folder) != 0) ::_exit(127);
    ::execv(arguments[0], arguments);
    constexpr char message[] = "cannot execute the program\n";
    [[maybe_unused]] const ssize_t written = ::write(2, message, sizeof message - 1);
    ::_exit(127);
}

// Two test programs at once must not choose the same port: a name that one process alone can bind,
// and that the system takes back when the process ends.
bool reserve(std::uint16_t port) {
    const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) fail("socket");
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    // Behind a zero byte: in no folder.
    const std::string name = "lethe-test-port-" + std::to_string(port);
    name.copy(at.sun_path + 1, sizeof at.sun_path - 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    // Kept open on purpose: what was given out may not be listened on yet.
    if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&at), size) == 0) return true;
    ::close(descriptor);
    return false;
}

}  // namespace

std::vector<std::uint16_t> free_ports(std::size_t count) {
    constexpr unsigned lowest = 20000;
    constexpr unsigned highest = 32000;  // Linux gives outgoing connections 32768 and above
    std::random_device seed;
    std::mt19937 random(seed());
    std::uniform_int_distribution<unsigned> pick(lowest, highest);
    std::set<std::uint16_t> found;
    for (int tries = 0; found.size() < count; ++tries) {
        if (tries > 10'000) throw std::runtime_error("no free port on 127.0.0.1");
        const auto port = static_cast<std::uint16_t>(pick(random));
        if (reserve(port) && is_free(port)) found.insert(port);
    }
    return {found.begin(), found.end()};
}

temporary_folder::temporary_folder(const std::string& prefix, const std::filesystem::path& parent) {
    const std::filesystem::path in =
        parent.empty() ? std::filesystem::temp_directory_path() : parent;
    std::string pattern = (in / (prefix + "XXXXXX")).string();
    if (::mkdtemp(pattern.data()) == nullptr) fail("cannot make " + pattern);
    path_ = pattern;
}

temporary_folder::~temporary_folder() {
    std::error_code ignored;
    if (!keep_) std::filesystem::remove_all(path_, ignored);
}

process::process(const process_options& options) {
    std::vector<std::string> words = options.command;
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const std::string output = options.output.empty() ? "/dev/null" : options.output.string();
    const std::string folder = options.working_folder.string();

    const pid_t parent = ::getpid();
    const pid_t made = ::fork();
    if (made < 0) fail("fork");
    if (made == 0)
        become(arguments.data(), output.c_str(), folder.empty() ? nullptr : folder.c_str(),
               options.third, parent);
    id_ = made;
}

process::~process() {
    kill_now();
}

process::process(process&& other) noexcept : id_(other.id_), exit_(other.exit_) {
    other.id_ = -1;
}

process& process::operator=(process&& other) noexcept {
    if (this == &other) return *this;
    kill_now();
    id_ = other.id_;
    exit_ = other.exit_;
    other.id_ = -1;
    return *this;
}

void process::take_status(int status) noexcept {
    exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool process::running() {
    return id_ > 0 && !wait(std::chrono::milliseconds{0}).has_value();
}

void process::send(int signal) noexcept {
    if (id_ > 0 && !exit_) ::kill(id_, signal);
}

bool stands_still(pid_t id) {
    std::error_code ended;
    const std::filesystem::path threads = "/proc/" + std::to_string(id) + "/task";
    for (std::filesystem::directory_iterator one(threads, ended), end; !ended && one != end;
         one.increment(ended)) {
        std::ifstream file(one->path() / "stat");
        std::string text;
        std::getline(file, text);
        // "ID (NAME) STATE ...": the name may hold anything.
        const std::size_t name_end = text.rfind(')');
        if (name_end == std::string::npos) continue;
        if (name_end + 2 >= text.size() || (text[name_end + 2] != 'T' && text[name_end + 2] != 'Z'))
            return false;
    }
    return true;
}

void process::freeze() noexcept {
    if (id_ <= 0 || exit_) return;
    ::kill(id_, SIGSTOP);
    while (!stands_still(id_)) std::this_thread::sleep_for(std::chrono::milliseconds{1});
}

void process::kill_now() noexcept {
    if (id_ <= 0 || exit_) return;
    ::kill(id_, SIGKILL);
    int status = 0;
    while (::waitpid(id_, &status, 0) < 0 && errno == EINTR) {
    }
    take_status(status);
}

std::optional<int> process::wait(std::chrono::milliseconds at_most) {
    const auto until = steady_clock::now() + at_most;
    while (!exit_ && id_ > 0) {
        int status = 0;
        const pid_t ended = ::waitpid(id_, &status, WNOHANG);
        if (ended == id_)
            take_status(status);
        else if (ended < 0 && errno != EINTR)
            break;
        else if (steady_clock::now() >= until)
            return std::nullopt;
        else
            std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
    return exit_;
}

finished_command run_command(const std::vector<std::string>& command,
                             std::chrono::milliseconds at_most) {
    const temporary_folder folder("lethe-command-");
    const std::filesystem::path output = folder.path() / "output";
    process child({.command = command, .output = output});
    finished_command done;
    const std::optional<int> exit = child.wait(at_most);
    if (!exit) child.kill_now();
    done.exit = exit.value_or(137);

    const int descriptor = ::open(output.c_str(), O_RDONLY | O_CLOEXEC);
    char buffer[4096];
    ssize_t got = 0;
    while (descriptor >= 0 && (got = ::read(descriptor, buffer, sizeof buffer)) > 0)
        done.output.append(buffer, static_cast<std::size_t>(got));
    if (descriptor >= 0) ::close(descriptor);
    return done;
}

}  // namespace lethe::test
