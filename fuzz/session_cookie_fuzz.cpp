// Cookies, each line one field: a ticket has exactly one spelling, and where the session's cookie
// was taken out it cannot be found any more, while all others stay in order.
#include "fuzz.hpp"
#include "http/cookies.hpp"
#include "http/fields.hpp"
#include "session/cookie.hpp"
#include "session/ticket.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace {

using namespace lethe;

constexpr std::string_view name = "__Host-lethe";

// Also what a session takes that lives in cookies alone.
bool is_ours(std::string_view of) {
    return of == name || of == "__Host-lethe-1" || of == "__Host-lethe-2";
}

// The pairs that a reader of the fields finds, without the session's.
std::vector<std::string> others(const http::fields& in) {
    std::vector<std::string> found;
    for (const http::field_line& line : in) {
        std::string_view rest = line.value;
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find(';'), rest.size());
            std::string_view pair = rest.substr(0, end);
            rest.remove_prefix(end < rest.size() ? end + 1 : end);
            const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
            while (!pair.empty() && is_space(pair.front())) pair.remove_prefix(1);
            while (!pair.empty() && is_space(pair.back())) pair.remove_suffix(1);
            std::string_view its = pair.substr(0, std::min(pair.find('='), pair.size()));
            while (!its.empty() && is_space(its.back())) its.remove_suffix(1);
            if (!pair.empty() && !is_ours(its)) found.emplace_back(pair);
        }
    }
    return found;
}

void check_ticket(std::string_view value) {
    const std::optional<session::ticket> read = session::ticket::parse(value);
    if (!read) return;
    LETHE_FUZZ_CHECK(read->to_cookie_value() == value);
    LETHE_FUZZ_CHECK(read->to_bytes().size() == session::id_bytes + session::secret_bytes);
    LETHE_FUZZ_CHECK(session::ticket::from_bytes(read->to_bytes())->to_cookie_value() == value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view in = fuzz::text(data, size);
    check_ticket(in);
    arena memory;
    http::fields request(memory), response(memory);
    while (!in.empty()) {
        const std::string_view line = in.substr(0, in.find('\n'));
        in.remove_prefix(std::min(line.size() + 1, in.size()));
        if (!http::is_field_value(line)) continue;
        request.append_borrowed("Cookie", line);
        response.append_borrowed("Set-Cookie", line);
    }
    if (const auto found = http::find_cookie(request, name)) check_ticket(*found);
    const std::vector<std::string> before = others(request);
    session::detail::remove_cookie(request, name);
    LETHE_FUZZ_CHECK(!http::find_cookie(request, name));
    LETHE_FUZZ_CHECK(others(request) == before);
    for (const http::field_line& line : request) LETHE_FUZZ_CHECK(http::is_field_value(line.value));
    session::detail::drop_set_cookie(response, name);
    for (const http::field_line& line : response)
        LETHE_FUZZ_CHECK(!is_ours(line.value.substr(0, line.value.find('='))));
    return 0;
}
