#include "store/redis/scan.hpp"

#include <algorithm>

namespace lethe::store::redis {

result<> scan_cursor::take(const resp::value& reply, std::size_t drop) {
    if (!reply.is_list() || reply.items.size() != 2 || !reply.items[0].is_text() ||
        !reply.items[1].is_list())
        return LETHE_ERR(errc::corrupt);
    server = reply.items[0].text;
    begun = true;
    for (const resp::value& key : reply.items[1].items)
        if (key.text.size() > drop) kept.emplace_back(key.text.substr(drop));
    return {};
}

scan_page scan_cursor::make_page(std::size_t keys_max) {
    scan_page out;
    const auto taken = static_cast<std::ptrdiff_t>(std::min(kept.size(), keys_max));
    out.keys.assign(std::make_move_iterator(kept.begin()),
                    std::make_move_iterator(kept.begin() + taken));
    kept.erase(kept.begin(), kept.begin() + taken);
    out.more = !kept.empty() || !at_end();
    if (out.more) out.cursor = to_text(*this);
    return out;
}

// The server's cursor and the kept keys as bulk strings.
std::string to_text(const scan_cursor& at) {
    std::string out;
    resp::command text(out, 1 + at.kept.size());
    text.word(at.server);
    for (const std::string& key : at.kept) text.word(key);
    return out;
}

result<scan_cursor> parse_scan_cursor(std::string_view text) {
    scan_cursor out;
    if (text.empty()) return out;
    const result<resp::value> parts = resp::parse(text);
    if (parts.has_error() || parts->items.empty()) return LETHE_ERR(errc::malformed);
    for (const resp::value& part : parts->items) {
        if (!part.is_text()) return LETHE_ERR(errc::malformed);
        out.kept.emplace_back(part.text);
    }
    out.server = std::move(out.kept.front());
    out.kept.erase(out.kept.begin());
    out.begun = true;
    if (out.server.empty() ||
        !std::ranges::all_of(out.server, [](char c) { return c >= '0' && c <= '9'; }))
        return LETHE_ERR(errc::malformed);
    return out;
}

void append_scan(std::string& to, std::string_view server_cursor, std::string_view pattern,
                 std::size_t count) {
    resp::command(to, 6)
        .word("SCAN")
        .word(server_cursor)
        .word("MATCH")
        .word(pattern)
        .word("COUNT")
        .number(static_cast<std::int64_t>(count));
}

}  // namespace lethe::store::redis
