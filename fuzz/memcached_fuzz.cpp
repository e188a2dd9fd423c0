// What comes from a Memcached server: the cutter goes on wherever the bytes are split, every reply
// it cuts stays inside its bytes, and what decodes as an item of lethe has exactly that encoding.
#include "fuzz.hpp"
#include "store/memcached/item.hpp"
#include "store/memcached/meta.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace {

using namespace lethe;
using namespace lethe::store;
using namespace lethe::store::memcached;

struct cuts {
    std::vector<std::size_t> sizes;
    bool failed = false;
    bool operator==(const cuts&) const = default;
};

cuts cut_all(std::string_view in, std::size_t piece_bytes) {
    const auto cutter = make_meta_cutter(1);
    cuts out;
    std::size_t at = 0;
    for (std::size_t arrived = 0; arrived < in.size();) {
        arrived = std::min(arrived + piece_bytes, in.size());
        while (at < arrived) {
            const result<std::size_t> size = cutter->cut(in.substr(at, arrived - at));
            if (size.has_error()) {
                LETHE_FUZZ_CHECK(size.error() == condition::corrupt);
                out.failed = true;
                return out;
            }
            LETHE_FUZZ_CHECK(*size <= arrived - at);
            if (*size == 0) break;
            out.sizes.push_back(*size);
            at += *size;
        }
    }
    return out;
}

void check_item(std::string_view bytes) {
    const result<record_item> record = decode_record(bytes);
    if (record.has_value()) {
        LETHE_FUZZ_CHECK(encode_record(*record) == bytes);
        LETHE_FUZZ_CHECK(record->pieces() != 1 && record->total_bytes <= value_bytes_max);
    }
    const std::string_view subject = bytes.substr(0, std::min<std::size_t>(bytes.size(), 4));
    const result<std::vector<index_entry>> index = decode_index(bytes, subject);
    if (index.has_value()) {
        std::string again = encode_index(subject);
        for (const index_entry& one : *index) append_entry(again, one);
        LETHE_FUZZ_CHECK(again == bytes);
    }
    const result<std::string_view> piece = decode_piece(bytes, {7}, 1);
    if (piece.has_value()) LETHE_FUZZ_CHECK(encode_piece({7}, 1, *piece) == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view in = fuzz::text(data, size);
    const cuts whole = cut_all(in, std::max<std::size_t>(size, 1));
    for (const std::size_t piece_bytes : {std::size_t{1}, std::size_t{3}, std::size_t{16}})
        LETHE_FUZZ_CHECK(cut_all(in, piece_bytes) == whole);
    std::size_t at = 0;
    for (const std::size_t cut : whole.sizes) {
        std::string_view rest = in.substr(at, cut);
        const result<reply> one = take_reply(rest);
        if (one.has_value()) {
            LETHE_FUZZ_CHECK(rest.empty());
            if (one->kind == reply_kind::value) check_item(one->value);
            static_cast<void>(statistic(one->value, "x"));
        }
        at += cut;
    }
    check_item(in);
    static_cast<void>(make_item_name(in));
    return 0;
}
