// What a service says to lethe in its answer, "name: value" a line: nothing of it is left for the
// client, and a change that is asked for stays within the bounds.
#include "base/clock.hpp"
#include "fuzz.hpp"
#include "http/exchange.hpp"
#include "idempotency/answer_rules.hpp"
#include "idempotency/replay.hpp"
#include "session/wire.hpp"

#include <algorithm>

namespace {

using namespace lethe;

constexpr std::size_t patch_bytes_max = 8192;

void fill(http::fields& header, std::string_view in) {
    while (!in.empty()) {
        const std::string_view line = in.substr(0, in.find('\n'));
        in.remove_prefix(std::min(line.size() + 1, in.size()));
        const std::size_t colon = line.find(": ");
        if (colon == std::string_view::npos) continue;
        const std::string_view name = line.substr(0, colon);
        const std::string_view value = line.substr(colon + 2);
        if (http::is_token(name) && http::is_field_value(value))
            header.append_borrowed(name, value);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    arena memory;
    manual_clock time;
    http::exchange x(memory, time);
    x.outcome = http::upstream_outcome::answered;
    x.response.status = 200;
    fill(x.response.header, fuzz::text(data, size));
    const std::size_t words = x.response.header.count("Lethe-Idempotency");
    const auto rule = idempotency::judge_answer(x, {});
    LETHE_FUZZ_CHECK(words == 1 || rule == idempotency::answer_rule::store);

    const bool asks = session::detail::asks_for_change(x.response.header);
    const auto asked = session::detail::take_asked(x.response.header, patch_bytes_max);
    LETHE_FUZZ_CHECK(!session::detail::asks_for_change(x.response.header));
    if (asked.has_value()) {
        LETHE_FUZZ_CHECK(asks || asked->wanted.empty());
        LETHE_FUZZ_CHECK(asked->wanted.subject.size() <= store::subject_bytes_max);
    }
    idempotency::strip_own_fields(x.response);
    for (const char* const name :
         {"Lethe-Session-Patch", "Lethe-Session-If", "Lethe-Session-Op", "Lethe-Idempotency"})
        LETHE_FUZZ_CHECK(x.response.header.count(name) == 0);
    return 0;
}
