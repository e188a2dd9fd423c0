#include "stores/history.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <type_traits>

namespace lethe::store {
namespace {

std::int64_t now() {
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

// splitmix64: every bit of the answer hangs on every bit asked.
std::uint64_t mixed(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

std::uint64_t checksum(std::string_view bytes) {
    std::uint64_t sum = bytes.size();
    while (!bytes.empty()) {
        std::uint64_t word = 0;
        const std::size_t size = std::min(bytes.size(), sizeof word);
        std::memcpy(&word, bytes.data(), size);
        sum = mixed(sum ^ word);
        bytes.remove_prefix(size);
    }
    return sum;
}

void append(std::string& to, std::uint64_t number) {
    to.append(reinterpret_cast<const char*>(&number), sizeof number);
}

// A record of the file. It never leaves this machine.
struct line {
    char what;
    std::size_t place;
    event one;
};
static_assert(std::is_trivially_copyable_v<line>);

}  // namespace

std::string make_value(std::uint64_t number, std::size_t bytes) {
    std::string out;
    bytes = std::max(bytes, value_bytes_min);
    out.reserve(bytes);
    append(out, number);
    std::uint64_t filler = number;
    while (out.size() + 16 <= bytes) append(out, filler = mixed(filler));
    append(out, checksum(out));
    return out;
}

std::optional<std::uint64_t> number_of(std::string_view value) {
    if (value.size() < value_bytes_min) return std::nullopt;
    std::uint64_t sum = 0;
    std::memcpy(&sum, value.data() + value.size() - sizeof sum, sizeof sum);
    if (checksum(value.substr(0, value.size() - sizeof sum)) != sum) return std::nullopt;
    std::uint64_t number = 0;
    std::memcpy(&number, value.data(), sizeof number);
    return number;
}

std::string to_text(const event& one) {
    std::ostringstream out;
    out << (one.begin / 1000) % 1'000'000'000 << ".."
        << (one.end == 0 ? "?" : std::to_string((one.end / 1000) % 1'000'000'000)) << " us, key "
        << one.key << ": ";
    if (one.what == event::kind::read) out << "read";
    if (one.what == event::kind::put) out << "put " << one.value;
    if (one.what == event::kind::erase) out << "erase";
    if (one.expects == event::condition_kind::absent) out << " if absent";
    if (one.expects == event::condition_kind::version) out << " if version " << one.expected;
    switch (one.answered) {
        case event::outcome::open: out << " -> (no answer)"; break;
        case event::outcome::done: out << " -> done"; break;
        case event::outcome::refused: out << " -> refused"; break;
        case event::outcome::unknown: out << " -> unknown"; break;
        case event::outcome::not_done: out << " -> not done"; break;
    }
    if (one.version != 0) out << ", version " << one.version;
    if (one.answered == event::outcome::refused || one.what == event::kind::read)
        out << ", saw " << one.seen << " version " << one.seen_version;
    return out.str();
}

std::string summary_of(const std::vector<event>& events) {
    const auto count = [&](event::outcome wanted) {
        return std::to_string(std::ranges::count(events, wanted, &event::answered));
    };
    std::int64_t slowest = 0;
    for (const event& one : events)
        if (one.end != 0) slowest = std::max(slowest, one.end - one.begin);
    return std::to_string(events.size()) + " operations, " + count(event::outcome::unknown) +
           " of unknown outcome, " + count(event::outcome::not_done) + " not done, " +
           count(event::outcome::open) + " not answered; the slowest took " +
           std::to_string(slowest / 1'000'000) + " ms";
}

history::history(const std::filesystem::path& file)
    : file_(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
    if (file_ < 0) throw std::runtime_error("cannot write " + file.string());
}

history::~history() {
    if (file_ >= 0) ::close(file_);
}

void history::write(char what, std::size_t place, const event& one) const {
    if (file_ < 0) return;
    line out;
    std::memset(static_cast<void*>(&out), 0, sizeof out);
    out.what = what;
    out.place = place;
    out.one = one;
    // One call: a process that is killed has written the whole of it or nothing.
    if (::write(file_, &out, sizeof out) != static_cast<ssize_t>(sizeof out)) std::abort();
}

std::vector<event> history::from_file(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::vector<event> out;
    line next;
    while (in.read(reinterpret_cast<char*>(&next), sizeof next)) {
        if (next.place >= out.size()) out.resize(next.place + 1);
        out[next.place] = next.one;
    }
    return out;
}

std::size_t history::began(event one) {
    const std::scoped_lock lock(mutex_);
    one.begin = now();
    events_.push_back(one);
    write('b', events_.size() - 1, one);
    return events_.size() - 1;
}

void history::ended(std::size_t place, event one) {
    const std::int64_t end = now();
    const std::scoped_lock lock(mutex_);
    one.begin = events_[place].begin;
    one.end = end;
    events_[place] = one;
    write('e', place, one);
}

void history::add(const std::vector<event>& events) {
    const std::scoped_lock lock(mutex_);
    events_.insert(events_.end(), events.begin(), events.end());
}

void history::complain(std::string what) {
    const std::scoped_lock lock(mutex_);
    complaints_.push_back(std::move(what));
}

void history::note(std::uint64_t number, std::string error) {
    const std::scoped_lock lock(mutex_);
    notes_[number] = std::move(error);
}

std::string history::note_of(std::uint64_t number) const {
    const std::scoped_lock lock(mutex_);
    const auto found = notes_.find(number);
    return found != notes_.end() ? found->second : "";
}

std::vector<event> history::events() const {
    const std::scoped_lock lock(mutex_);
    return events_;
}

std::vector<std::string> history::complaints() const {
    const std::scoped_lock lock(mutex_);
    return complaints_;
}

std::size_t history::count(event::outcome answered) const {
    const std::scoped_lock lock(mutex_);
    return static_cast<std::size_t>(std::ranges::count(events_, answered, &event::answered));
}

}  // namespace lethe::store
