// Handles of sessions, as whoever can connect sends them. What was not sealed here does not open;
// what was opens as it was sealed, and not with one byte changed.
#include "base/random.hpp"
#include "fuzz.hpp"
#include "session/handle.hpp"

#include <algorithm>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lethe;
    static const session::handle_keys keys{{"a key of the fuzz target, 32 bytes"}};
    static const auto random = make_seeded_random(1);
    const system_time now{std::chrono::milliseconds{1'000}};
    const std::string_view in = fuzz::text(data, size);
    LETHE_FUZZ_CHECK(!keys.open(in, now));
    LETHE_FUZZ_CHECK(session::write_mark(in) != 0);
    if (in.size() < 2) return 0;

    const session::handle right{
        .holder = session::ticket::make(*random),
        .reserved = (in.front() & 1) != 0,
        .route = session::route_mark(in),
        .version = std::uint64_t{static_cast<unsigned char>(in.back())} << (in.size() % 57),
        .expires = now + std::chrono::milliseconds{1 + in.size()}};
    std::string text = keys.seal(right, *random);
    const std::optional<session::handle> opened = keys.open(text, now);
    LETHE_FUZZ_CHECK(opened && opened->version == right.version && opened->route == right.route &&
                     opened->reserved == right.reserved &&
                     opened->holder.to_bytes() == right.holder.to_bytes());
    LETHE_FUZZ_CHECK(!keys.open(text, right.expires));
    char& hit = text[static_cast<unsigned char>(in.front()) % text.size()];
    const char was = std::exchange(hit, in.back());
    LETHE_FUZZ_CHECK(hit == was || !keys.open(text, now));
    return 0;
}
