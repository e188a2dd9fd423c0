#include "net/hand_over.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace lethe::net {
namespace {

// "FOR GIVER ADDRESS ADDRESS …": the process ids of whom it is for, behind zeros, and of the giver;
// the keys are number 3, the sockets come next.
constexpr const char* variable = "LETHE_HANDED_OVER";
constexpr int keys_number = 3;
constexpr std::size_t key_bytes_max = 4096;
constexpr std::size_t id_digits = 10;

// A file without a name that holds these bytes.
descriptor in_memory(std::string_view bytes) {
    descriptor out(::memfd_create("lethe", MFD_CLOEXEC));
    if (out.is_open() &&
        ::write(out.number(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        out.close();
    return out;
}

// The process's own, without what was said to it about sockets, and with what the successor is
// told.
std::vector<std::string> environment_with(const std::string& told) {
    std::vector<std::string> out;
    constexpr std::string_view mine[] = {
        "LETHE_HANDED_OVER=", "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES="};
    for (char** one = environ; *one != nullptr; ++one) {
        const std::string_view text = *one;
        if (std::ranges::none_of(mine, [text](auto name) { return text.starts_with(name); }))
            out.emplace_back(text);
    }
    out.push_back(told);
    return out;
}

// Between fork and exec: no memory is asked for.
void write_digits(char* last, pid_t id) noexcept {
    for (; id > 0; id /= 10) *last-- = static_cast<char>('0' + id % 10);
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
    std::vector<char*> out;
    for (std::string& word : words) out.push_back(word.data());
    out.push_back(nullptr);
    return out;
}

// What this process was given; looked at once.
struct given {
    pid_t giver = -1;
    std::vector<std::pair<std::string, descriptor>> sockets;
    secret keys;
};

descriptor own(int number) {
    ::fcntl(number, F_SETFD, FD_CLOEXEC);
    return descriptor(number);
}

std::string_view next_word(std::string_view& rest) {
    const std::size_t space = std::min(rest.find(' '), rest.size());
    const std::string_view out = rest.substr(0, space);
    rest.remove_prefix(std::min(space + 1, rest.size()));
    return out;
}

pid_t next_id(std::string_view& rest) {
    const std::string_view word = next_word(rest);
    pid_t out = -1;
    std::from_chars(word.data(), word.data() + word.size(), out);
    return out;
}

given& all_given() {
    static given made = [] {
        given out;
        const char* const text = std::getenv(variable);
        if (text == nullptr) return out;
        std::string_view rest = text;
        // It may have been passed on to another process.
        if (next_id(rest) != ::getpid()) return out;
        out.giver = next_id(rest);
        const descriptor keys = own(keys_number);
        std::array<char, key_bytes_max> bytes;
        const ssize_t got = ::pread(keys.number(), bytes.data(), bytes.size(), 0);
        if (got > 0) out.keys = secret(std::string(bytes.data(), static_cast<std::size_t>(got)));
        for (int number = keys_number + 1; !rest.empty(); ++number)
            out.sockets.emplace_back(next_word(rest), own(number));
        return out;
    }();
    return made;
}

}  // namespace

pid_t start_successor(const std::string& program, const std::vector<std::string>& arguments,
                      const hand_over& what) {
    std::string told = std::string(variable) + "=";
    const std::size_t id_end = told.size() + id_digits;
    told += std::string(id_digits, '0') + " " + std::to_string(::getpid());
    for (const auto& [at, socket] : what.sockets) told += " " + to_text(at);
    std::vector<std::string> environment = environment_with(told);
    std::vector<std::string> words = arguments;
    const std::vector<char*> argument_pointers = pointers_to(words);
    const std::vector<char*> environment_pointers = pointers_to(environment);
    const descriptor keys = in_memory(what.keys.reveal());
    if (!keys.is_open()) return -1;
    // Copies above the numbers that they get there: no two are in each other's way.
    const int first_free = keys_number + 1 + static_cast<int>(what.sockets.size());
    std::vector<descriptor> copies;
    copies.emplace_back(::fcntl(keys.number(), F_DUPFD_CLOEXEC, first_free));
    for (const auto& [at, socket] : what.sockets)
        copies.emplace_back(::fcntl(socket, F_DUPFD_CLOEXEC, first_free));
    if (std::ranges::any_of(copies, [](const descriptor& one) { return !one.is_open(); }))
        return -1;
    const pid_t child = ::fork();
    if (child != 0) return child;
    // Other threads are gone: nothing but system calls up to the end.
    write_digits(environment.back().data() + id_end - 1, ::getpid());
    for (std::size_t i = 0; i < copies.size(); ++i)
        if (::dup2(copies[i].number(), keys_number + static_cast<int>(i)) < 0) ::_exit(127);
    ::close_range(static_cast<unsigned>(first_free), ~0U, 0);
    ::execve(program.c_str(), argument_pointers.data(), environment_pointers.data());
    ::_exit(127);
}

std::vector<descriptor> take_handed_over(const address& at) {
    std::vector<descriptor> out;
    const std::string name = to_text(at);
    std::erase_if(all_given().sockets, [&](auto& one) {
        if (one.first != name) return false;
        out.push_back(std::move(one.second));
        return true;
    });
    return out;
}

secret take_handed_keys() {
    return std::move(all_given().keys);
}

void tell_giver() {
    given& all = all_given();
    all.sockets.clear();
    // One that died meanwhile is not told, nor whoever has its number now.
    const pid_t giver = std::exchange(all.giver, -1);
    if (giver > 0 && giver == ::getppid()) ::kill(giver, SIGUSR1);
}

}  // namespace lethe::net
