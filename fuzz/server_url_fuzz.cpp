// The URL of a store that is a server: what is read is whole, and a mistake is told.
#include "fuzz.hpp"
#include "store/server_url.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = fuzz::text(data, size);
    std::string why;
    const result<store::server_url> got = store::parse_server_url(text, 6379, why);
    if (got.has_error()) {
        LETHE_FUZZ_CHECK(got.error() == condition::malformed);
        LETHE_FUZZ_CHECK(!why.empty());
        return 0;
    }
    const auto fine = [](std::string_view part) { return part.find('\0') == part.npos; };
    LETHE_FUZZ_CHECK(why.empty());
    LETHE_FUZZ_CHECK(!got->scheme.empty() && !got->hosts.empty());
    LETHE_FUZZ_CHECK(fine(got->user) && fine(got->password.reveal()) && fine(got->path));
    for (const net::address& host : got->hosts) {
        LETHE_FUZZ_CHECK(host.port != 0);
        const result<net::address> again = net::parse_address(net::to_text(host));
        LETHE_FUZZ_CHECK(again.has_value() && *again == host);
    }
    for (const auto& [name, value] : got->options)
        LETHE_FUZZ_CHECK(!name.empty() && fine(name) && fine(value));
    return 0;
}
