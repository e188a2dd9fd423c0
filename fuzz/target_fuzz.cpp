// Request targets: a normal form is safe, no longer than its escapes allow, and its own normal
// form.
#include "fuzz.hpp"
#include "http/target.hpp"

#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lethe;
    using namespace lethe::http;
    arena memory;
    const std::string_view in = fuzz::text(data, size);
    const method asked = !in.empty() && in.front() == '*' ? method::options : method::get;
    const result<target> out = parse_target(in, asked, memory);
    if (out.has_error()) return 0;
    LETHE_FUZZ_CHECK(out->path.starts_with('/') || (out->path == "*" && asked == method::options));
    LETHE_FUZZ_CHECK(out->path.size() <= 3 * in.size() + 1);
    LETHE_FUZZ_CHECK(out->has_query || out->query.empty());
    const std::string bounded = std::string(out->path) + "/";
    LETHE_FUZZ_CHECK(bounded.find("/./") == std::string::npos);
    LETHE_FUZZ_CHECK(bounded.find("/../") == std::string::npos);
    for (const char c : out->path)
        LETHE_FUZZ_CHECK(c > ' ' && c < 0x7f &&
                         std::string_view("\\#?").find(c) == std::string_view::npos);
    for (const char c : out->query) LETHE_FUZZ_CHECK(c > ' ' && c < 0x7f && c != '#');
    const result<target> again = parse_target(out->path, asked, memory);
    LETHE_FUZZ_CHECK(again.has_value() && again->path == out->path);
    if (!out->authority.empty()) {
        LETHE_FUZZ_CHECK(is_authority(out->authority));
        LETHE_FUZZ_CHECK(normalise_authority(out->authority, memory) == out->authority);
        LETHE_FUZZ_CHECK(same_authority(out->authority, out->authority, out->default_port));
    }
    return 0;
}
