// SCAN as pages of at most so many keys. No sockets.
//
// The server answers with about as many keys as it is asked for, also more: those are kept in the
// cursor.
#pragma once

#include "store/redis/resp.hpp"
#include "store/store.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace lethe::store::redis {

struct scan_cursor {
    std::string server = "0";  // the server's own
    bool begun = false;        // then a "0" is the end
    std::vector<std::string> kept;

    [[nodiscard]] bool at_end() const noexcept { return begun && server == "0"; }
    // The reply of SCAN; its keys are kept without their first `drop` bytes.
    [[nodiscard]] result<> take(const resp::value& reply, std::size_t drop);
    // Takes at most `keys_max` of the kept keys.
    [[nodiscard]] scan_page make_page(std::size_t keys_max);
};

[[nodiscard]] result<scan_cursor> parse_scan_cursor(std::string_view text);
[[nodiscard]] std::string to_text(const scan_cursor& at);

void append_scan(std::string& to, std::string_view server_cursor, std::string_view pattern,
                 std::size_t count);

}  // namespace lethe::store::redis
