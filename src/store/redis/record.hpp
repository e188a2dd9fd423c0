// How a record lies in Redis: one string, so that a read is one plain GET, atomic and cheap.
//
//     offset  bytes
//          0      1  format, 1
//          1      8  version
//          9      8  expires, milliseconds since 1970; the string itself expires at that moment,
//          too
//         17      2  bytes of the subject
//         19         subject, then the value to the end
//
// Numbers are big-endian. functions.lua writes the same.
#pragma once

#include "base/random.hpp"
#include "store/store.hpp"

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace lethe::store::redis {

inline constexpr char record_format = 1;
inline constexpr std::size_t record_head_bytes = 19;
// The head and the longest subject.
inline constexpr std::size_t record_front_bytes = record_head_bytes + subject_bytes_max;

// errc::corrupt when lethe never wrote this.
[[nodiscard]] result<record> decode_record(std::string_view stored);
// The same into `out`, which is moved less; what it then holds after an error means nothing.
[[nodiscard]] result<> decode_record_into(record& out, std::string_view stored);
// The same of the beginning of one: without its value.
[[nodiscard]] result<record> decode_record_front(std::string_view stored);

// Eight bytes, big-endian.
[[nodiscard]] std::array<char, 8> to_bytes(record_version version) noexcept;

// The server adds it to its time with the numbers of Lua, which are exact up to 2^53: a ttl above
// is 100,000 years. A record lives two milliseconds at least: Redis deletes at once what would
// expire in this one.
[[nodiscard]] std::int64_t ttl_millis(std::chrono::milliseconds ttl) noexcept;

// Never 0, never twice.
class version_source {
 public:
    [[nodiscard]] record_version next();

 private:
    std::unique_ptr<random_source> random_ = make_buffered_random();
};

// What things are called on the server. `prefix` keeps them apart from what others keep there.
struct key_names {
    std::string prefix;

    // Behind the prefix.
    static constexpr std::string_view record_mark = "r:";
    static constexpr std::string_view subject_mark = "s:";

    [[nodiscard]] std::string of_record(std::string_view key) const;
    [[nodiscard]] std::string of_subject(std::string_view subject) const;
    // The pattern of SCAN for everything that is called prefix + mark + anything.
    [[nodiscard]] std::string pattern(std::string_view mark) const;
};

}  // namespace lethe::store::redis
