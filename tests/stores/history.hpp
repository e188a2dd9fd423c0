// What clients asked of a store and what it answered, when.
#pragma once

#include "store/store.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::store {

// Values that prove themselves whole: a number that no other put writes, filler that follows from
// it, and a checksum.
inline constexpr std::size_t value_bytes_min = 24;
[[nodiscard]] std::string make_value(std::uint64_t number, std::size_t bytes = value_bytes_min);
// The number; nullopt when this is not a whole value.
[[nodiscard]] std::optional<std::uint64_t> number_of(std::string_view value);

// One operation on one key. Records are named by the number in their value; 0 is no record.
struct event {
    enum class kind : std::uint8_t { read, put, erase };
    enum class condition_kind : std::uint8_t { none, absent, version };
    enum class outcome : std::uint8_t {
        open,  // begun, not answered: as unknown
        done,
        refused,   // the expectation did not hold
        unknown,   // outcome_unknown
        not_done,  // an error that says that nothing was changed
    };

    std::size_t key = 0;
    kind what = kind::read;
    std::uint64_t value = 0;  // put: the number it writes
    condition_kind expects = condition_kind::none;
    std::uint64_t expected = 0;  // condition_kind::version
    outcome answered = outcome::open;
    std::uint64_t version = 0;       // put, done: the new version
    std::uint64_t seen = 0;          // read, refused: the record, 0 for none
    std::uint64_t seen_version = 0;  // and its version
    std::int64_t begin = 0;          // nanoseconds of the machine's steady clock
    std::int64_t end = 0;
};
[[nodiscard]] std::string to_text(const event& one);

// How many, of which outcome, and how long the slowest took: for a person.
[[nodiscard]] std::string summary_of(const std::vector<event>& events);

// Any thread. With a file, each event is written as it begins and ends, so that it survives a kill
// of this process.
class history {
 public:
    history() = default;
    explicit history(const std::filesystem::path& file);
    ~history();
    history(const history&) = delete;
    history& operator=(const history&) = delete;
    // What a killed process has left in its file; what it had begun is `open`.
    [[nodiscard]] static std::vector<event> from_file(const std::filesystem::path& file);

    // Sets `begin`; answers its place.
    std::size_t began(event one);
    // The event as it was begun with its answer; sets `end`.
    void ended(std::size_t place, event one);
    // What happened elsewhere, before.
    void add(const std::vector<event>& events);
    // Something that must not be, whatever the order: a broken value, an answer after its deadline.
    void complain(std::string what);
    // What the call that was to write this number ended with, for who looks for the fault.
    void note(std::uint64_t number, std::string error);
    [[nodiscard]] std::string note_of(std::uint64_t number) const;

    [[nodiscard]] std::vector<event> events() const;
    [[nodiscard]] std::vector<std::string> complaints() const;
    [[nodiscard]] std::size_t count(event::outcome answered) const;

 private:
    void write(char what, std::size_t place, const event& one) const;

    mutable std::mutex mutex_;
    std::vector<event> events_;
    std::vector<std::string> complaints_;
    std::map<std::uint64_t, std::string> notes_;
    int file_ = -1;
};

}  // namespace lethe::store
