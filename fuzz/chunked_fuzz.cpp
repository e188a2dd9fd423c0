// The chunked decoder: it always goes on, stays inside its input, and the cuts between reads change
// nothing.
#include "fuzz.hpp"
#include "http/chunked.hpp"

#include <algorithm>
#include <string>

namespace {

using namespace lethe;

struct outcome {
    std::string data;
    std::size_t consumed = 0;
    bool done = false;
    bool failed = false;
    bool operator==(const outcome&) const = default;
};

outcome decode(std::string_view in, std::size_t piece_bytes) {
    http::chunked_decoder decoder;
    outcome out;
    while (!in.empty() && !out.done) {
        std::string_view piece = in.substr(0, piece_bytes);
        while (!piece.empty() && !out.done) {
            const auto step = decoder.decode(piece);
            if (step.has_error()) {
                out.failed = true;
                return out;
            }
            LETHE_FUZZ_CHECK(step->consumed <= piece.size() && (step->consumed > 0 || step->done));
            LETHE_FUZZ_CHECK(step->data.size() <= step->consumed);
            LETHE_FUZZ_CHECK(!step->done || step->data.empty());
            out.data += step->data;
            out.consumed += step->consumed;
            out.done = step->done;
            piece.remove_prefix(step->consumed);
            in.remove_prefix(step->consumed);
        }
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view in = fuzz::text(data, size);
    const outcome whole = decode(in, std::max<std::size_t>(size, 1));
    for (const std::size_t piece_bytes : {std::size_t{1}, std::size_t{3}, std::size_t{16}}) {
        const outcome cut = decode(in, piece_bytes);
        LETHE_FUZZ_CHECK(cut.failed == whole.failed);
        if (!whole.failed) LETHE_FUZZ_CHECK(cut == whole);
    }
    return 0;
}
