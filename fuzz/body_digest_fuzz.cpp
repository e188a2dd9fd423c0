// Which bodies say the same: a content type and JSONPaths, a line each, then the body. A canonical
// text is its own canonical text and says the same as the text it was made from.
#include "base/json.hpp"
#include "fuzz.hpp"
#include "idempotency/body_digest.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace {

using namespace lethe;

constexpr std::size_t digest_bytes = 32;

std::string_view take_line(std::string_view& in) {
    const std::string_view line = in.substr(0, in.find('\n'));
    in.remove_prefix(std::min(line.size() + 1, in.size()));
    return line;
}

void check_canonical(std::string_view body) {
    const auto value = json::parse(body, {.bytes_max = 1024 * 1024, .depth_max = 128});
    if (value.has_error()) return;
    const std::string canonical = json::canonical_text(*value);
    const auto again = json::parse(canonical, {.bytes_max = 8 * 1024 * 1024, .depth_max = 128});
    LETHE_FUZZ_CHECK(again.has_value());
    LETHE_FUZZ_CHECK(json::canonical_text(*again) == canonical);
    const auto digest = [](std::string_view text) {
        return idempotency::body_digest("application/json", text, idempotency::body_rule::meaning,
                                        {});
    };
    LETHE_FUZZ_CHECK(digest(body) == digest(canonical));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view in = fuzz::text(data, size);
    const std::string_view content_type = take_line(in);
    std::vector<idempotency::json_path> paths;
    for (std::string_view line = take_line(in); !line.empty(); line = take_line(in)) {
        auto path = idempotency::json_path::parse(line);
        if (path.has_value()) paths.push_back(*std::move(path));
    }
    for (const auto rule : {idempotency::body_rule::bytes, idempotency::body_rule::meaning}) {
        const std::string digest = idempotency::body_digest(content_type, in, rule, paths);
        LETHE_FUZZ_CHECK(digest.size() == digest_bytes);
        LETHE_FUZZ_CHECK(digest == idempotency::body_digest(content_type, in, rule, paths));
    }
    check_canonical(in);
    return 0;
}
