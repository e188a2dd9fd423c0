// The meta commands of Memcached's text protocol (doc/protocol.txt of Memcached 1.6): requests as
// bytes, bytes as replies. No sockets.
#pragma once

#include "store/pipeline.hpp"
#include "store/store.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::store::memcached {

// The longest name of an item, as it is written in a request.
inline constexpr std::size_t name_bytes_max = 250;
// The longest line of a reply; those of real servers are below 300 bytes.
inline constexpr std::size_t line_bytes_max = 8192;
// The longest list of statistics.
inline constexpr std::size_t statistics_bytes_max = std::size_t{256} * 1024;

// An item's name as a request writes it: plain where all of its bytes can stand in a line, base64
// (the flag b) where not; nullopt when it is too long either way. Both ways name the same item.
struct item_name {
    std::string text;
    bool base64 = false;
};
[[nodiscard]] std::optional<item_name> make_item_name(std::string_view bytes);

enum class set_mode : std::uint8_t { set, add, append };

struct set_how {
    set_mode mode = set_mode::set;
    std::optional<std::uint64_t> cas = {};  // only over the item with this CAS value
    std::int64_t exptime = 0;               // see exptime_of(); 0: never
};

// Requests that leave together. Each carries a number (O), which its reply must repeat: a reply is
// never taken for that of another request, whatever the server does.
class requests {
 public:
    explicit requests(std::uint64_t first_number) : next_(first_number), first_(first_number) {}

    // Answered by VA with value, CAS value and remaining seconds, or by EN.
    void get(const item_name& name);
    // Sets the remaining life of an item without reading it: HD or EN.
    void prolong(const item_name& name, std::int64_t exptime);
    // HD; NS (add: there is one, append: there is none); EX (another CAS value), NF (nothing
    // there).
    void set(const item_name& name, std::string_view value, const set_how& how);
    // HD, NF, EX.
    void erase(const item_name& name, std::optional<std::uint64_t> cas = {});

    [[nodiscard]] std::size_t count() const noexcept {
        return static_cast<std::size_t>(next_ - first_);
    }
    [[nodiscard]] std::uint64_t first() const noexcept { return first_; }
    [[nodiscard]] bool conditional() const noexcept { return conditional_; }
    [[nodiscard]] std::string take() noexcept { return std::move(bytes_); }
    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }

 private:
    void begin(std::string_view command, const item_name& name);
    void flags_and_end(const item_name& name);

    std::string bytes_;
    std::uint64_t next_;
    std::uint64_t first_;
    bool conditional_ = false;
};

// Answered by MN, whatever the server holds.
[[nodiscard]] std::string noop_request();
// Answered by a list of STAT lines; `about` such as "settings", "" for the general ones.
[[nodiscard]] std::string statistics_request(std::string_view about);
// Answered by STORED, or CLIENT_ERROR when the password is wrong.
[[nodiscard]] std::string login_request(std::string_view user, std::string_view password);

enum class reply_kind : std::uint8_t {
    done,          // HD
    value,         // VA
    missing,       // EN, NF: there is no such item
    not_stored,    // NS
    exists,        // EX
    noop,          // MN
    stored,        // STORED
    statistics,    // STAT ... END
    server_error,  // SERVER_ERROR, with its text
    client_error,  // CLIENT_ERROR and ERROR: the server did not understand
};

// Views into the bytes it was parsed from.
struct reply {
    reply_kind kind = reply_kind::done;
    std::string_view value;  // of VA; the text of an error; all lines of statistics
    std::optional<std::uint64_t> cas = {};
    std::optional<std::uint64_t> number = {};  // O
    std::optional<std::int64_t> seconds = {};  // t: what is left of its life; -1: no end
};

// The first reply of `bytes`, which it is taken from; corrupt when that is not a whole reply.
[[nodiscard]] result<reply> take_reply(std::string_view& bytes);

// The value of one line of statistics.
[[nodiscard]] std::optional<std::string_view> statistic(std::string_view lines,
                                                        std::string_view name);

// For the pipeline. After the first `greeting_replies` replies, a server that does not understand a
// request is corrupt: it may answer one such request twice, and the connection must not go on.
[[nodiscard]] std::unique_ptr<reply_cutter> make_meta_cutter(std::size_t greeting_replies);

}  // namespace lethe::store::memcached
