// Response heads: what is accepted has one framing.
#include "fuzz.hpp"
#include "http/parser.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lethe;
    using namespace lethe::http;
    for (const method asked : {method::get, method::head}) {
        arena memory;
        response_head head(memory);
        framing frame;
        const result<> read = parse_response_head(fuzz::text(data, size),
                                                  head_limits{1024, 20, 512}, asked, head, frame);
        if (read.has_error()) continue;
        LETHE_FUZZ_CHECK(head.status >= 100 && head.status <= 599);
        LETHE_FUZZ_CHECK(frame.chunked + frame.content_length.has_value() + frame.until_close == 1);
        LETHE_FUZZ_CHECK(!frame.until_close || !frame.keep_alive);
        LETHE_FUZZ_CHECK(asked != method::head || frame.content_length == 0U);
        LETHE_FUZZ_CHECK(!frame.expects_continue);
        for (const field_line& line : head.header)
            LETHE_FUZZ_CHECK(is_token(line.name) && is_field_value(line.value));
    }
    return 0;
}
