// What lethe keeps in Memcached's items: records, the pieces of large ones, and the keys of a
// subject. Bytes only.
#pragma once

#include "store/memcached/meta.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::store::memcached {

// Names of items. All begin with `prefix` and a colon, which no prefix contains: lethes with
// different prefixes share no item.
class names {
 public:
    explicit names(std::string prefix) : prefix_(std::move(prefix)) {}

    // The key itself where it fits, else its hash; then the item carries the key.
    struct of_record {
        item_name name;
        bool hashed = false;
    };
    [[nodiscard]] of_record record(std::string_view key) const;
    // A piece of a large value: named by the version that it belongs to, so that it is never
    // overwritten by another's.
    [[nodiscard]] item_name piece(std::string_view key, record_version version,
                                  std::size_t index) const;
    [[nodiscard]] item_name index(std::string_view subject, std::size_t shard) const;

 private:
    std::string prefix_;
};

// A record's item: a header and then either the value, or where its pieces are.
struct record_item {
    record_version version = {};
    system_time expires = {};
    std::string_view subject = {};
    std::string_view key = {};  // "" unless the item's name is a hash of it
    // Its value: all of it, or none and the sizes of its pieces.
    std::string_view value = {};
    std::size_t total_bytes = 0;
    std::size_t piece_bytes = 0;  // 0: the value is here

    [[nodiscard]] std::size_t pieces() const noexcept {
        return piece_bytes == 0 ? 0 : (total_bytes + piece_bytes - 1) / piece_bytes;
    }
};
[[nodiscard]] std::string encode_record(const record_item& item);
// Views into `bytes`; corrupt when lethe has not written them.
[[nodiscard]] result<record_item> decode_record(std::string_view bytes);
// What encode_record() adds to the value.
[[nodiscard]] std::size_t record_header_bytes(const record_item& item) noexcept;

// Makes a manifest of a record whose item would be longer than `most`. False when that is too long,
// too.
[[nodiscard]] bool split_for(record_item& item, std::size_t most);

[[nodiscard]] std::string encode_piece(record_version version, std::size_t index,
                                       std::string_view bytes);
// The piece's part of the value; corrupt when it is another piece.
[[nodiscard]] result<std::string_view> decode_piece(std::string_view item, record_version version,
                                                    std::size_t index);
inline constexpr std::size_t piece_header_bytes = 14;

// Keys of one subject, in one of `shards` items. Entries are only ever added, and dropped once
// `until` has passed, which is not before the record's own expiry.
inline constexpr std::size_t shards = 64;
struct index_entry {
    std::string_view key;
    system_time until;
};
[[nodiscard]] std::string encode_index(std::string_view subject);
void append_entry(std::string& item, const index_entry& entry);
// corrupt as well when the item belongs to another subject.
[[nodiscard]] result<std::vector<index_entry>> decode_index(std::string_view item,
                                                            std::string_view subject);
[[nodiscard]] std::size_t shard_of(std::string_view key) noexcept;

// What a request says as the life of an item that must be there until then (T): whole seconds, with
// some more, because Memcached counts in whole seconds and clocks of gateways differ; what is
// beyond its 30 days as the server's own time of day; 0, which is no end at all, where that does
// not fit. `now` is the real time.
[[nodiscard]] std::int64_t exptime_of(std::chrono::milliseconds life, system_time now) noexcept;

}  // namespace lethe::store::memcached
