// The Idempotency-Key field: what is taken is bounded and free of control bytes, quoting it again
// gives the same key, and stricter rules only ever take less.
#include "fuzz.hpp"
#include "idempotency/key.hpp"

#include <algorithm>
#include <string>

namespace {

using namespace lethe;
using namespace lethe::idempotency;

std::string quoted(std::string_view key) {
    std::string out = "\"";
    for (const char c : key) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view in = fuzz::text(data, size);
    const result<std::string> key = parse_key(in, {});
    const result<std::string> strict = parse_key(in, {true, key_format::any});
    const result<std::string> uuid = parse_key(in, {false, key_format::uuid});
    if (key.has_error()) {
        LETHE_FUZZ_CHECK(key.error() == condition::malformed);
        LETHE_FUZZ_CHECK(strict.has_error() && uuid.has_error());
        return 0;
    }
    LETHE_FUZZ_CHECK(!key->empty() && key->size() <= key_bytes_max);
    LETHE_FUZZ_CHECK(std::ranges::all_of(*key, [](char c) { return c >= 0x20 && c < 0x7f; }));
    LETHE_FUZZ_CHECK(strict.has_error() || *strict == *key);
    LETHE_FUZZ_CHECK(uuid.has_error() || uuid->size() == 36);

    const result<std::string> again = parse_key(quoted(*key), {true, key_format::any});
    LETHE_FUZZ_CHECK(again.has_value() && *again == *key);
    return 0;
}
