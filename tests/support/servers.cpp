#include "support/servers.hpp"

#include "support/plain_socket.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// What a slow machine under load may need to bring a server up.
constexpr auto start_limit = 60s;

// A process is named by its id; its state ('Z': dead, not yet waited for) and its parent stand
// behind the name in parentheses, which may hold anything.
struct process_state {
    char state = 0;  // 0: there is none
    pid_t parent = 0;
};
process_state state_of(pid_t id) {
    std::ifstream file("/proc/" + std::to_string(id) + "/stat");
    std::string text;
    std::getline(file, text);
    const std::size_t end = text.rfind(')');
    if (end == std::string::npos) return {};
    std::istringstream fields(text.substr(end + 1));
    process_state out;
    fields >> out.state >> out.parent;
    return out;
}

std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> out;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
        const pid_t id = std::atoi(entry.path().filename().c_str());
        if (id > 0 && state_of(id).parent == parent) out.push_back(id);
    }
    return out;
}

std::string tail_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::stringstream all;
    all << in.rdbuf();
    const std::string text = all.str();
    return text.substr(text.size() - std::min<std::size_t>(text.size(), 2000));
}

std::string find_program(const std::string& name) {
    std::vector<std::filesystem::path> folders;
    const char* const path = std::getenv("PATH");
    std::istringstream words(path != nullptr ? path : "");
    for (std::string word; std::getline(words, word, ':');) folders.emplace_back(word);
    std::error_code ignored;
    std::vector<std::filesystem::path> versions;
    for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored))
        versions.push_back(version.path() / "bin");
    // Where an administrator's PATH ends, others' does not go.
    folders.emplace_back("/usr/sbin");
    // The newest first.
    std::sort(versions.rbegin(), versions.rend());
    // Debian's psql in PATH is a script that looks for a cluster of the system.
    folders.insert(folders.begin(), versions.begin(), versions.end());
    for (const auto& folder : folders)
        if (::access((folder / name).c_str(), X_OK) == 0) return folder / name;
    return {};
}

}  // namespace

bool wait_for(const std::function<bool()>& condition, std::chrono::milliseconds at_most) {
    const auto until = steady_clock::now() + at_most;
    while (!condition()) {
        if (steady_clock::now() >= until) return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

std::string server_program(const std::string& name) {
    std::string found = find_program(name);
    if (found.empty())
        throw std::runtime_error(name + " is not installed: run ./dev setup, then test again");
    return found;
}

bool has_program(const std::string& name) noexcept {
    return !find_program(name).empty();
}

void server_process::start(const process_options& options, const std::function<bool()>& ready) {
    kill_now();
    output_ = options.output;
    process_.emplace(options);
    if (wait_for([&] { return !process_->running() || ready(); }, start_limit) &&
        process_->running())
        return;
    const bool ended = !process_->running();
    kill_now();
    throw std::runtime_error(options.command.front() + (ended ? " has ended" : " is not ready") +
                             "; the end of its log:\n" + tail_of(output_));
}

std::vector<pid_t> server_process::all_of_them() const {
    std::vector<pid_t> out;
    if (!process_) return out;
    out.push_back(process_->id());
    for (std::size_t i = 0; i < out.size(); ++i) {
        const std::vector<pid_t> more = children_of(out[i]);
        out.insert(out.end(), more.begin(), more.end());
    }
    return out;
}

std::vector<pid_t> server_process::stop_all() const {
    std::vector<pid_t> stopped;
    // A process that is told to stop may end a fork first: until nobody is new.
    while (true) {
        std::vector<pid_t> all = all_of_them();
        for (const pid_t one : all) ::kill(one, SIGSTOP);
        static_cast<void>(wait_for([&] { return std::ranges::all_of(all, stands_still); }, 10s));
        if (all == stopped) return stopped;
        stopped = std::move(all);
    }
}

void server_process::kill_now() noexcept {
    if (!process_ || !process_->running()) return;
    const std::vector<pid_t> all = stop_all();
    for (const pid_t one : all) ::kill(one, SIGKILL);
    process_->kill_now();
    static_cast<void>(wait_for(
        [&] {
            return std::ranges::all_of(all, [](pid_t one) {
                const char state = state_of(one).state;
                return state == 0 || state == 'Z';
            });
        },
        10s));
}

void server_process::end(int signal) {
    if (!process_) return;
    process_->send(signal);
    if (process_->wait(start_limit)) return;
    kill_now();
    throw std::runtime_error("a server did not end when told to; the end of its log:\n" +
                             tail_of(output_));
}

void server_process::freeze() {
    if (process_) static_cast<void>(stop_all());
}

void server_process::thaw() {
    std::vector<pid_t> all = all_of_them();
    std::reverse(all.begin(), all.end());
    for (const pid_t one : all) ::kill(one, SIGCONT);
}

bool server_process::running() {
    return process_ && process_->running();
}

memcached_server::memcached_server(std::vector<std::string> words)
    : words_(std::move(words)),
      folder_(std::make_unique<temporary_folder>("lethe-memcached-")),
      port_(free_ports(1).front()) {
    start();
}

void memcached_server::start() {
    std::vector<std::string> command = {server_program("memcached"), "-l", "127.0.0.1", "-p",
                                        std::to_string(port_),       "-U", "0"};
    if (::geteuid() == 0) command.insert(command.end(), {"-u", "root"});
    command.insert(command.end(), words_.begin(), words_.end());
    process_.start({.command = command, .output = folder_->path() / "log"}, [this] {
        try {
            plain_socket asked = plain_socket::to_port(port_, 1s);
            asked.send("version\r\n");
            // With a login it says that it wants one.
            return !asked.receive_line().empty();
        } catch (const std::runtime_error&) {
            return false;
        }
    });
}

void memcached_server::restart() {
    kill_now();
    start();
}

std::string memcached_server::url() const {
    return "memcached://" + host();
}

}  // namespace lethe::test
