// PROXY headers: what is found in all bytes is found in no fewer than it says it has, and a
// beginning is never refused when the whole is not.
#include "fuzz.hpp"
#include "net/proxy_protocol.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lethe;
    using namespace lethe::net;
    const std::string_view in = fuzz::text(data, size);
    const result<std::optional<proxy_header>> whole = parse_proxy_header(in);
    if (whole.has_error() || !*whole) return 0;
    const proxy_header& found = **whole;
    LETHE_FUZZ_CHECK(found.bytes <= in.size() && found.bytes <= proxy_header_bytes_max);
    LETHE_FUZZ_CHECK(found.address.find_first_not_of("0123456789abcdef.:") == std::string::npos);
    for (std::size_t end = 0; end < found.bytes; ++end) {
        const result<std::optional<proxy_header>> part = parse_proxy_header(in.substr(0, end));
        LETHE_FUZZ_CHECK(part.has_value() && !*part);
    }
    const result<std::optional<proxy_header>> exact = parse_proxy_header(in.substr(0, found.bytes));
    LETHE_FUZZ_CHECK(exact.has_value() && *exact && (*exact)->address == found.address);
    return 0;
}
