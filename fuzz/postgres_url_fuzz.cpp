// The URL of a PostgreSQL server: what is read is whole, and a mistake is told.
#include "fuzz.hpp"
#include "store/postgres/url.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string url = "postgres://" + std::string(fuzz::text(data, size));
    std::string why;
    const result<store::postgres::settings> got = store::postgres::parse_url(url, why);
    if (got.has_error()) {
        LETHE_FUZZ_CHECK(got.error() == condition::malformed);
        LETHE_FUZZ_CHECK(!why.empty());
        return 0;
    }
    LETHE_FUZZ_CHECK(why.empty());
    LETHE_FUZZ_CHECK(!got->endpoints.empty());
    LETHE_FUZZ_CHECK(got->connections >= 1 && got->connections <= store::postgres::connections_max);
    LETHE_FUZZ_CHECK(!got->schema.empty() && got->schema.find('"') == std::string::npos);
    for (const auto& [name, value] : got->parameters)
        LETHE_FUZZ_CHECK(name != "host" && name != "hostaddr" && name != "port" &&
                         name != "schema" && name != "migrate" && name != "connections");
    return 0;
}
