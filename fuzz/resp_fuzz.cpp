// The protocol of Redis: what is cut is what is read, the cuts between reads change nothing, and
// nothing outside of its bounds comes through.
#include "fuzz.hpp"
#include "store/redis/resp.hpp"

namespace {

using namespace lethe;
using namespace lethe::store::redis;

struct outcome {
    std::size_t size = 0;
    bool failed = false;
    bool operator==(const outcome&) const = default;
};

outcome cut(std::string_view in, std::size_t piece_bytes) {
    resp::cutter cutter;
    for (std::size_t end = std::min(piece_bytes, in.size());;
         end = std::min(end + piece_bytes, in.size())) {
        const result<std::size_t> size = cutter.cut(in.substr(0, end));
        if (size.has_error()) return {.failed = true};
        LETHE_FUZZ_CHECK(*size <= end);
        if (*size != 0 || end == in.size()) return {.size = *size};
    }
}

std::size_t depth_of(const resp::value& one) {
    std::size_t deepest = 0;
    for (const resp::value& item : one.items) deepest = std::max(deepest, depth_of(item));
    return deepest + 1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view in = fuzz::text(data, size);
    if (in.empty()) return 0;
    const outcome whole = cut(in, in.size());
    for (const std::size_t piece_bytes : {std::size_t{1}, std::size_t{3}, std::size_t{16}})
        LETHE_FUZZ_CHECK(cut(in, piece_bytes) == whole);
    const std::string_view first = in.substr(0, whole.size);
    const result<resp::value> read = resp::parse(whole.size == 0 ? in : first);
    LETHE_FUZZ_CHECK(read.has_value() == (whole.size != 0));
    if (read.has_value()) LETHE_FUZZ_CHECK(depth_of(*read) <= resp::depth_max);
    return 0;
}
