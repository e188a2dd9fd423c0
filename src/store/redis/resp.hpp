// The protocol of Redis (RESP2 and RESP3) without sockets: replies are cut and read, commands are
// written.
//
// What a server sends is foreign: depth, elements and sizes are bounded, anything else than the
// protocol is errc::corrupt. Streamed strings and aggregates, which no server sends unasked, are
// refused.
#pragma once

#include "store/pipeline.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::store::redis::resp {

inline constexpr std::size_t depth_max = 16;
inline constexpr std::size_t elements_max = std::size_t{1} << 20;  // of one reply
inline constexpr std::size_t line_bytes_max = std::size_t{64} * 1024;
inline constexpr std::size_t bulk_bytes_max = std::size_t{96} * 1024 * 1024;

// A function's "done".
inline constexpr std::string_view done_reply = ":1\r\n";

enum class kind : std::uint8_t {
    null,
    text,     // simple, bulk or verbatim string
    error,    // simple or bulk
    integer,  // and booleans: 0 or 1
    real,     // `text` is how it was written
    big_number,
    array,  // and sets
    map,    // key, value, key, value
    push,
};

// Views the bytes it was read from.
struct value {
    kind type = kind::null;
    std::string_view text = {};
    std::int64_t integer = 0;
    std::vector<value> items = {};

    [[nodiscard]] bool is_null() const noexcept { return type == kind::null; }
    [[nodiscard]] bool is_text() const noexcept { return type == kind::text; }
    [[nodiscard]] bool is_error() const noexcept { return type == kind::error; }
    [[nodiscard]] bool is_integer() const noexcept { return type == kind::integer; }
    [[nodiscard]] bool is_list() const noexcept { return type == kind::array; }
    // In a map, or in the flat array that RESP2 has for one; null when it is not there.
    [[nodiscard]] const value* find(std::string_view name) const noexcept;
};

// One whole reply; its attributes are left out.
[[nodiscard]] result<value> parse(std::string_view reply);
// Exactly `count` whole replies, one behind the other.
[[nodiscard]] result<std::vector<value>> parse_all(std::string_view replies, std::size_t count);

// Remembers how far it came, so that a large reply is looked at once however often it is cut.
class cutter final : public reply_cutter {
 public:
    [[nodiscard]] result<std::size_t> cut(std::string_view bytes) override;
    [[nodiscard]] bool is_unasked(std::string_view reply) const override;
    [[nodiscard]] std::size_t bytes_wanted() const noexcept override { return wanted_; }

 private:
    struct frame {
        std::size_t left;
        bool attribute;  // is no element of what is around it
    };

    void reset() noexcept;
    [[nodiscard]] bool element_ended() noexcept;

    std::array<frame, depth_max + 1> frames_{{{1, false}}};
    std::size_t depth_ = 1;
    std::size_t at_ = 0;        // where the next element begins
    std::size_t searched_ = 0;  // up to there its line has no end
    std::size_t elements_ = 0;
    std::size_t wanted_ = 0;
};

// Words of a command as they are sent, many at once: cheaper than one after the other.
struct word {
    std::string_view bytes;
    // Stand before them, in the same word.
    std::string_view before = {};
    std::string_view before_that = {};
};
// `head` as it is, then the words.
void append(std::string& to, std::string_view head, std::span<const word> words);

// The digits of a number, for a word.
class digits {
 public:
    explicit digits(std::int64_t n);
    [[nodiscard]] std::string_view text() const noexcept { return {text_, size_}; }

 private:
    char text_[20];
    std::size_t size_;
};

// Appends one command: command(to, 2).word("GET").word(key)
class command {
 public:
    command(std::string& to, std::size_t words);
    command& word(std::string_view bytes);
    // A word of several parts.
    command& word(std::string_view first, std::string_view second, std::string_view third = {});
    command& number(std::int64_t n);

 private:
    std::string& to_;
};

}  // namespace lethe::store::redis::resp
