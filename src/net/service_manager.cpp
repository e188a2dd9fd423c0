#include "net/service_manager.hpp"

#include "net/errors.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

namespace lethe::net {
namespace {

constexpr int first_passed = 3;  // SD_LISTEN_FDS_START
constexpr int passed_max = 1024;

std::string_view variable(const char* name) {
    const char* const found = std::getenv(name);
    return found != nullptr ? found : "";
}

int number(std::string_view text) {
    int out = -1;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
    return failed == std::errc{} && end == text.data() + text.size() ? out : -1;
}

// By their place; empty when nothing was passed to this process.
std::vector<std::string> passed_names() {
    if (number(variable("LISTEN_PID")) != ::getpid()) return {};
    const int count = std::clamp(number(variable("LISTEN_FDS")), 0, passed_max);
    std::vector<std::string> out;
    std::string_view names = variable("LISTEN_FDNAMES");
    for (int i = 0; i < count; ++i) {
        const std::size_t colon = std::min(names.find(':'), names.size());
        out.emplace_back(names.substr(0, colon));
        names.remove_prefix(std::min(colon + 1, names.size()));
    }
    return out;
}

bool is_listening(int socket) {
    int yes = 0;
    socklen_t size = sizeof yes;
    return ::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size) == 0 && yes != 0;
}

}  // namespace

result<descriptor> take_inherited(std::string_view name) {
    const std::vector<std::string> names = passed_names();
    const auto found = std::ranges::find(names, name);
    const int place = found != names.end() ? static_cast<int>(found - names.begin()) : number(name);
    if (place < 0 || place >= static_cast<int>(names.size())) return LETHE_ERR(errc::not_inherited);
    const int passed = first_passed + place;
    if (!is_listening(passed)) return LETHE_ERR(errc::not_inherited);
    descriptor out(::fcntl(passed, F_DUPFD_CLOEXEC, 0));
    // Both are one socket: that of the manager does not block either.
    if (!out.is_open() || ::fcntl(out.number(), F_SETFL, O_NONBLOCK) != 0)
        return LETHE_ERR(errc::cannot_listen);
    return out;
}

void tell_service_manager(std::string_view state) noexcept {
    const std::string_view path = variable("NOTIFY_SOCKET");
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof to.sun_path) return;
    std::memcpy(to.sun_path, path.data(), path.size());
    // A name in no folder.
    if (path.front() == '@') to.sun_path[0] = '\0';
    const descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    static_cast<void>(::sendto(socket.number(), state.data(), state.size(), MSG_NOSIGNAL,
                               reinterpret_cast<const sockaddr*>(&to), size));
}

void tell_of_reload() {
    timespec now{};
    // lint: allow(clock) because systemd compares it with the system's own
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const long long microseconds = now.tv_sec * 1'000'000LL + now.tv_nsec / 1000;
    tell_service_manager("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds));
}

}  // namespace lethe::net
