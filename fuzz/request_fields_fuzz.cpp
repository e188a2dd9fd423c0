// A client's fields at the door, "name: value" a line: what only lethe may say is gone, and a trace
// context is a valid one afterwards.
#include "base/clock.hpp"
#include "fuzz.hpp"
#include "gateway/request_hygiene.hpp"
#include "identity/credentials.hpp"

#include <algorithm>
#include <string>

namespace {

using namespace lethe;

bool is_own(std::string_view name) {
    constexpr std::string_view prefix = "lethe-";
    return name.size() > prefix.size() &&
           std::ranges::equal(name.substr(0, prefix.size()), prefix, [](char a, char b) {
               return (a >= 'A' && a <= 'Z' ? char(a - 'A' + 'a') : a) == b;
           });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view in = fuzz::text(data, size);
    arena memory;
    manual_clock time;
    http::exchange x(memory, time);
    x.remote_address = "192.0.2.7";
    while (!in.empty()) {
        const std::string_view line = in.substr(0, in.find('\n'));
        in.remove_prefix(std::min(line.size() + 1, in.size()));
        const std::size_t colon = line.find(": ");
        if (colon == std::string_view::npos) continue;
        const std::string_view value = line.substr(colon + 2);
        if (http::is_token(line.substr(0, colon)) && http::is_field_value(value))
            x.request.header.append_borrowed(line.substr(0, colon), value);
    }
    http::drop_fields_named_by_connection(x.request.header);
    gateway::clean_request(x, gateway::trusted_peers{});
    for (const http::field_line& line : x.request.header) LETHE_FUZZ_CHECK(!is_own(line.name));
    LETHE_FUZZ_CHECK(x.request.header.count("X-Forwarded-For") == 0);

    const std::string trace(gateway::ensure_traceparent(x, 1, 2, 3));
    LETHE_FUZZ_CHECK(x.request.header.count("traceparent") == 1);
    const std::string_view parent = x.request.header.first("traceparent").value_or("");
    LETHE_FUZZ_CHECK(gateway::is_traceparent(parent));
    LETHE_FUZZ_CHECK(parent.find(trace) != std::string_view::npos);

    const identity::credentials who = identity::read_credentials(x.request.header);
    LETHE_FUZZ_CHECK((who.what == identity::credentials::kind::bearer) == !who.token.empty());
    return 0;
}
