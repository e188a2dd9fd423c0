// Request heads: the scanner finds the same end however the bytes come; what is accepted is
// unambiguous, and written anew it is read as the same request.
#include "fuzz.hpp"
#include "http/parser.hpp"
#include "http/target.hpp"
#include "http/writer.hpp"

#include <string>

namespace {

using namespace lethe;
using namespace lethe::http;

using scan_result = result<std::optional<std::size_t>>;

scan_result scan_in_pieces(std::string_view in, std::size_t piece_bytes,
                           std::size_t head_bytes_max) {
    head_scanner scanner(head_bytes_max);
    for (std::size_t size = piece_bytes; size < in.size(); size += piece_bytes) {
        scan_result out = scanner.scan(in.substr(0, size));
        if (out.has_error() || *out) return out;
    }
    return scanner.scan(in);
}

void check_accepted(const request_head& head, const framing& frame) {
    LETHE_FUZZ_CHECK(is_token(head.method_text) && head.method_text.size() <= 32);
    LETHE_FUZZ_CHECK(head.method != method::connect && head.method != method::trace);
    LETHE_FUZZ_CHECK(head.path.starts_with('/') || head.path == "*");
    LETHE_FUZZ_CHECK(head.authority.empty() || is_authority(head.authority));
    LETHE_FUZZ_CHECK(!head.authority.empty() || head.version_minor == 0);
    LETHE_FUZZ_CHECK(head.header.count(field_id::host) <= 1);
    LETHE_FUZZ_CHECK(!(frame.chunked && frame.content_length));
    LETHE_FUZZ_CHECK(frame.chunked == (head.header.count(field_id::transfer_encoding) == 1));
    LETHE_FUZZ_CHECK(frame.content_length.has_value() ==
                     (head.header.count("content-length") == 1));
    LETHE_FUZZ_CHECK(!frame.until_close);
    for (const field_line& line : head.header) {
        LETHE_FUZZ_CHECK(is_token(line.name) && is_field_value(line.value));
        LETHE_FUZZ_CHECK(line.id == identify(line.name));
        const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
        LETHE_FUZZ_CHECK(line.value.empty() ||
                         !(is_space(line.value.front()) || is_space(line.value.back())));
    }
}

void check_round_trip(const request_head& head, const framing& frame) {
    arena memory;
    head_text written(memory);
    append_request_line(written, head);
    append_fields(written, head.header, [](const field_line&) { return true; });
    append_head_end(written);
    std::string text(written.done());
    if (head.version_minor == 0) text.replace(text.find(" HTTP/1.1\r\n"), 9, " HTTP/1.0");
    request_head again(memory);
    framing frame_again;
    // Values may have grown by a space each; escapes by two bytes.
    const head_limits wide{1 << 20, 1 << 16, 1 << 20};
    LETHE_FUZZ_CHECK(parse_request_head(text, wide, again, frame_again).has_value());
    LETHE_FUZZ_CHECK(again.path == head.path && again.query == head.query);
    LETHE_FUZZ_CHECK(again.has_query == head.has_query);
    LETHE_FUZZ_CHECK(again.header.size() == head.header.size());
    LETHE_FUZZ_CHECK(frame_again.chunked == frame.chunked);
    LETHE_FUZZ_CHECK(frame_again.content_length == frame.content_length);
    LETHE_FUZZ_CHECK(frame_again.keep_alive == frame.keep_alive);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view in = fuzz::text(data, size);
    const head_limits limits{1024, 20, 512};
    head_scanner scanner(limits.head_bytes_max);
    const scan_result whole = scanner.scan(in);
    for (const std::size_t piece_bytes : {std::size_t{1}, std::size_t{7}}) {
        const scan_result cut = scan_in_pieces(in, piece_bytes, limits.head_bytes_max);
        LETHE_FUZZ_CHECK(cut == whole);
    }
    const bool found = whole.has_value() && whole->has_value();
    arena memory;
    request_head head(memory);
    framing frame;
    // Also what the scanner would not hand on.
    const result<> read =
        parse_request_head(found ? in.substr(0, **whole) : in, limits, head, frame);
    if (read.has_error()) return 0;
    LETHE_FUZZ_CHECK(found && "the parser accepts no head that the scanner refuses");
    check_accepted(head, frame);
    check_round_trip(head, frame);
    return 0;
}
