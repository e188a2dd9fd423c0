// Structured fields: whatever is read can be written, is read as the same value, and written alike.
#include "fuzz.hpp"
#include "http/structured.hpp"

namespace {

using namespace lethe;

template <class Value>
void check(std::string_view in, result<Value> (*parse)(std::string_view)) {
    const result<Value> read = parse(in);
    if (read.has_error()) return;
    const result<std::string> text = http::structured::to_text(*read);
    LETHE_FUZZ_CHECK(text.has_value());
    const result<Value> again = parse(*text);
    LETHE_FUZZ_CHECK(again.has_value() && *again == *read);
    LETHE_FUZZ_CHECK(*http::structured::to_text(*again) == *text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view in = fuzz::text(data, size);
    check(in, http::structured::parse_item);
    check(in, http::structured::parse_list);
    check(in, http::structured::parse_dictionary);
    return 0;
}
