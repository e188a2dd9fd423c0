#include "witness/journal.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace lethe::witness {
namespace {

constexpr std::array<const char*, 4> names = {"forward", "effect", "refused", "barred"};

[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error("journal: " + what + ": " + std::strerror(errno));
}

}  // namespace

std::optional<entry> parse_entry(const std::string& line) {
    std::istringstream in(line);
    std::string what;
    entry one;
    if (!(in >> what >> one.rule >> one.user >> one.key >> one.attempt >> one.effect))
        return std::nullopt;
    const auto* const found = std::find(names.begin(), names.end(), what);
    if (found == names.end()) return std::nullopt;
    one.what = static_cast<event>(found - names.begin());
    return one;
}

std::string to_line(const entry& one) {
    return std::string(names.at(static_cast<std::size_t>(one.what))) + ' ' + one.rule + ' ' +
           one.user + ' ' + one.key + ' ' + std::to_string(one.attempt) + ' ' +
           (one.effect.empty() ? "-" : one.effect) + '\n';
}

std::vector<entry> read_journal(const std::filesystem::path& file) {
    std::ifstream in(file);
    if (!in) throw std::runtime_error("journal: cannot read " + file.string());
    std::vector<entry> all;
    for (std::string line; std::getline(in, line);) {
        const std::optional<entry> one = parse_entry(line);
        if (!one) throw std::runtime_error("journal: not a line of one: " + line);
        all.push_back(*one);
    }
    return all;
}

journal::journal(const std::filesystem::path& file)
    : descriptor_(::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
    if (descriptor_ < 0) fail("open " + file.string());
}

journal::~journal() {
    ::close(descriptor_);
}

void journal::lock() {
    while (::flock(descriptor_, LOCK_EX) != 0)
        if (errno != EINTR) fail("lock");
    char bytes[16 * 1024];
    while (true) {
        const ssize_t got = ::pread(descriptor_, bytes, sizeof bytes, static_cast<off_t>(read_));
        if (got < 0) fail("read");
        if (got == 0) break;
        read_ += static_cast<std::uint64_t>(got);
        rest_.append(bytes, static_cast<std::size_t>(got));
    }
    std::size_t begin = 0;
    for (std::size_t end = rest_.find('\n'); end != std::string::npos;
         end = rest_.find('\n', begin)) {
        if (const std::optional<entry> one = parse_entry(rest_.substr(begin, end - begin)))
            note(*one);
        begin = end + 1;
    }
    rest_.erase(0, begin);
}

void journal::unlock() noexcept {
    ::flock(descriptor_, LOCK_UN);
}

const key_past& journal::past_of(const std::string& user, const std::string& key) {
    return pasts_[{user, key}];
}

void journal::note(const entry& one) {
    key_past& past = pasts_[{one.user, one.key}];
    if (one.what == event::forward) past.highest = std::max(past.highest, one.attempt);
    if (one.what == event::barred) past.barred = std::max(past.barred, one.attempt);
    if (one.what == event::effect) past.effect = one.effect;
}

void journal::write(const entry& one) {
    const std::string line = to_line(one);
    if (::write(descriptor_, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
        fail("write");
    read_ += line.size();
    note(one);
}

}  // namespace lethe::witness
