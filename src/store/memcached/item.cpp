#include "store/memcached/item.hpp"

#include "base/bytes.hpp"

#include <algorithm>
#include <limits>

namespace lethe::store::memcached {
namespace {

constexpr char format = '\x01';
constexpr char record_mark = 'R';
constexpr char large_record_mark = 'L';
constexpr char piece_mark = 'P';
constexpr char index_mark = 'I';

template <class Number>
void append_number(std::string& to, Number n) {
    for (std::size_t i = sizeof(Number); i-- > 0;)
        to.push_back(static_cast<char>(static_cast<unsigned char>(n >> (8 * i))));
}

void append_text(std::string& to, std::string_view text) {
    append_number(to, static_cast<std::uint16_t>(text.size()));
    to += text;
}

// Reads what the functions above write. After the first failure everything is empty.
class reader {
 public:
    explicit reader(std::string_view bytes) : rest_(bytes) {}

    std::string_view bytes(std::size_t count) {
        if (count > rest_.size()) {
            failed_ = true;
            rest_ = {};
            return {};
        }
        const std::string_view out = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return out;
    }
    template <class Number>
    Number number() {
        Number out = 0;
        for (const char c : bytes(sizeof(Number)))
            out = static_cast<Number>((out << 8) | static_cast<unsigned char>(c));
        return out;
    }
    std::string_view text() { return bytes(number<std::uint16_t>()); }
    system_time time() {
        return system_time{
            std::chrono::milliseconds{static_cast<std::int64_t>(number<std::uint64_t>())}};
    }
    [[nodiscard]] std::string_view rest() const noexcept { return rest_; }
    [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
    std::string_view rest_;
    bool failed_ = false;
};

void append_time(std::string& to, system_time t) {
    append_number(to, static_cast<std::uint64_t>(t.time_since_epoch().count()));
}

std::string begin_item(char mark) {
    return {mark, format};
}

}  // namespace

names::of_record names::record(std::string_view key) const {
    if (auto whole = make_item_name(prefix_ + ":r:" + std::string(key)))
        return {.name = *std::move(whole), .hashed = false};
    auto hashed = make_item_name(prefix_ + ":h:" + to_base64url(sha256(key)));
    LETHE_ASSERT(hashed);
    return {.name = *std::move(hashed), .hashed = true};
}

item_name names::piece(std::string_view key, record_version version, std::size_t index) const {
    auto out = make_item_name(prefix_ + ":p:" + to_base64url(sha256(key)) + ':' +
                              std::to_string(version.number) + ':' + std::to_string(index));
    LETHE_ASSERT(out);
    return *std::move(out);
}

item_name names::index(std::string_view subject, std::size_t shard) const {
    auto out = make_item_name(prefix_ + ":i:" + to_base64url(sha256(subject)) + ':' +
                              std::to_string(shard));
    LETHE_ASSERT(out);
    return *std::move(out);
}

std::size_t record_header_bytes(const record_item& item) noexcept {
    // Mark and format, version, expiry, two texts with their lengths, the sizes of a large one.
    const std::size_t fixed = 2 + 8 + 8 + 2 + 2 + (item.piece_bytes > 0 ? 8 : 0);
    return fixed + item.subject.size() + item.key.size();
}

bool split_for(record_item& item, std::size_t most) {
    if (record_header_bytes(item) + item.total_bytes <= most) return true;
    if (most <= piece_header_bytes) return false;
    item.value = {};
    // Two pieces at least: one that is just too long together with its header is split as well.
    item.piece_bytes = std::min(most - piece_header_bytes, (item.total_bytes + 1) / 2);
    return item.pieces() > 1 && record_header_bytes(item) <= most;
}

std::string encode_record(const record_item& item) {
    LETHE_ASSERT(item.version.number != 0 && item.subject.size() <= subject_bytes_max &&
                 item.key.size() <= key_bytes_max);
    const bool large = item.piece_bytes > 0;
    std::string out = begin_item(large ? large_record_mark : record_mark);
    out.reserve(record_header_bytes(item) + item.value.size());
    append_number(out, item.version.number);
    append_time(out, item.expires);
    append_text(out, item.subject);
    append_text(out, item.key);
    if (large) {
        append_number(out, static_cast<std::uint32_t>(item.total_bytes));
        append_number(out, static_cast<std::uint32_t>(item.piece_bytes));
    } else {
        out += item.value;
    }
    return out;
}

result<record_item> decode_record(std::string_view bytes) {
    reader in(bytes);
    const std::string_view mark = in.bytes(2);
    if (in.failed() || mark[1] != format ||
        (mark[0] != record_mark && mark[0] != large_record_mark))
        return LETHE_ERR(errc::corrupt);
    record_item out;
    out.version.number = in.number<std::uint64_t>();
    out.expires = in.time();
    out.subject = in.text();
    out.key = in.text();
    if (mark[0] == large_record_mark) {
        out.total_bytes = in.number<std::uint32_t>();
        out.piece_bytes = in.number<std::uint32_t>();
        // One piece is no large record, and no record is above its limit.
        if (!in.rest().empty() || out.piece_bytes == 0 || out.total_bytes <= out.piece_bytes)
            return LETHE_ERR(errc::corrupt);
    } else {
        out.value = in.rest();
        out.total_bytes = out.value.size();
    }
    if (in.failed() || out.version.number == 0 || out.subject.size() > subject_bytes_max ||
        out.key.size() > key_bytes_max || out.total_bytes > value_bytes_max)
        return LETHE_ERR(errc::corrupt);
    return out;
}

std::string encode_piece(record_version version, std::size_t index, std::string_view bytes) {
    std::string out = begin_item(piece_mark);
    out.reserve(piece_header_bytes + bytes.size());
    append_number(out, version.number);
    append_number(out, static_cast<std::uint32_t>(index));
    out += bytes;
    return out;
}

result<std::string_view> decode_piece(std::string_view item, record_version version,
                                      std::size_t index) {
    reader in(item);
    const std::string_view mark = in.bytes(2);
    const auto of = in.number<std::uint64_t>();
    const auto at = in.number<std::uint32_t>();
    if (in.failed() || mark[0] != piece_mark || mark[1] != format || of != version.number ||
        at != index)
        return LETHE_ERR(errc::corrupt);
    return in.rest();
}

std::string encode_index(std::string_view subject) {
    std::string out = begin_item(index_mark);
    append_text(out, subject);
    return out;
}

void append_entry(std::string& item, const index_entry& entry) {
    append_time(item, entry.until);
    append_text(item, entry.key);
}

result<std::vector<index_entry>> decode_index(std::string_view item, std::string_view subject) {
    reader in(item);
    const std::string_view mark = in.bytes(2);
    if (in.failed() || mark[0] != index_mark || mark[1] != format || in.text() != subject)
        return LETHE_ERR(errc::corrupt);
    std::vector<index_entry> out;
    while (!in.failed() && !in.rest().empty()) {
        const system_time until = in.time();
        const std::string_view key = in.text();
        if (!in.failed() && (key.empty() || key.size() > key_bytes_max))
            return LETHE_ERR(errc::corrupt);
        out.push_back({.key = key, .until = until});
    }
    if (in.failed()) return LETHE_ERR(errc::corrupt);
    return out;
}

std::size_t shard_of(std::string_view key) noexcept {
    // Not the bits that a ring orders its points by.
    return static_cast<std::size_t>(stable_hash(key) % shards);
}

std::int64_t exptime_of(std::chrono::milliseconds life, system_time now) noexcept {
    using std::chrono::seconds;
    constexpr seconds spare{10};
    // Above this Memcached takes the number for a moment (its REALTIME_MAXDELTA).
    constexpr seconds relative_max = std::chrono::hours{24 * 30};
    // Its clock and ours may differ by so much at such a distance.
    constexpr seconds spare_far = std::chrono::hours{24};
    if (life > relative_max * 1000) return 0;  // 82 years: does not fit below
    const seconds relative = std::chrono::ceil<seconds>(life) + spare;
    if (relative <= relative_max) return std::max<std::int64_t>(relative.count(), 1);
    const auto moment = std::chrono::ceil<seconds>(now.time_since_epoch()) + relative + spare_far;
    return moment.count() <= std::numeric_limits<std::int32_t>::max() ? moment.count() : 0;
}

}  // namespace lethe::store::memcached
