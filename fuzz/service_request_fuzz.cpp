// What a service reads of a request with the library: the query on the first line, then lethe's own
// fields "name: value", a line each.
#include "base/clock.hpp"
#include "fuzz.hpp"
#include "library/request_data.hpp"
#include "library/session_url.hpp"

#include <algorithm>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lethe;
    std::string_view in = fuzz::text(data, size);
    arena memory;
    manual_clock time;
    http::exchange x(memory, time);
    bool first = true;
    while (!in.empty()) {
        const std::string_view line = in.substr(0, in.find('\n'));
        in.remove_prefix(std::min(line.size() + 1, in.size()));
        if (std::exchange(first, false)) {
            x.request.query = line;
            continue;
        }
        const std::size_t colon = line.find(": ");
        if (colon == std::string_view::npos) continue;
        const std::string_view value = line.substr(colon + 2);
        if (http::is_token(line.substr(0, colon)) && http::is_field_value(value))
            x.request.header.append_borrowed(line.substr(0, colon), value);
    }
    static net::worker never_started;
    const internal::request_data behind{.exchange = x, .worker = never_started};
    const request read(behind);
    for (const char* const name : {"a", "", "delay"})
        if (const auto value = read.query_parameter(name))
            LETHE_FUZZ_CHECK(value->size() <= x.request.query.size());
    std::string decoded;
    if (internal::decode(x.request.query, false, decoded))
        LETHE_FUZZ_CHECK(decoded.size() <= x.request.query.size());
    const std::string key = read.idempotency_key();
    LETHE_FUZZ_CHECK(key.size() <= read.header("Idempotency-Key").value_or("").size());
    static_cast<void>(read.session());
    if (const auto url = read.header("Lethe-Session-Url"))
        if (const auto at = library::parse_session_url(*url))
            LETHE_FUZZ_CHECK(url->find(at->authority) != std::string_view::npos &&
                             at->target.starts_with('/') &&
                             at->target.find(' ') == std::string::npos);
    static_cast<void>(read.session_id());
    static_cast<void>(read.attempt());
    return 0;
}
