// The public corpus of HTTP/1.1 requests: what lethe decides on each, whole and in pieces of every
// size, and where that differs from the corpus's own judgement, why.
#include "http/chunked.hpp"
#include "http/parser.hpp"
#include "support/source_tree.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <span>
#include <sstream>
#include <string>

namespace lethe::http {
namespace {

struct judgement {
    std::string
        decision;  // "accept", "accept, close", "more" (waits, in the end 408) or an error's status
    std::string body;
    std::string path;
    std::size_t left_over = 0;
    bool operator==(const judgement&) const = default;
};

std::string status_of(const error_code& error) {
    if (error == make_error_code(errc::malformed)) return "400";
    if (error == make_error_code(errc::target_too_long)) return "414";
    if (error == make_error_code(errc::unsupported_expectation)) return "417";
    if (error == make_error_code(errc::head_too_large)) return "431";
    if (error == make_error_code(errc::too_many_fields)) return "431";
    if (error == make_error_code(errc::unsupported_transfer_coding)) return "501";
    if (error == make_error_code(errc::unsupported_method)) return "501";
    if (error == make_error_code(errc::unsupported_version)) return "505";
    return error.message();
}

// What a server does with the bytes of one connection up to the end of the first request.
class reader {
 public:
    // Answers whether the request is decided.
    bool feed(std::string_view bytes) {
        buffer_ += bytes;
        if (!head_read_ && !read_head()) return decided_;
        return read_body();
    }
    judgement finish() {
        if (!decided_) out_.decision = "more";
        return out_;
    }

 private:
    bool decide(std::string decision) {
        out_.decision = std::move(decision);
        return decided_ = true;
    }
    bool read_head() {
        const result<std::optional<std::size_t>> size = scanner_.scan(buffer_);
        if (size.has_error()) decide(status_of(size.error()));
        if (size.has_error() || !*size) return false;
        request_head head(memory_);
        head_text_ = buffer_.substr(0, **size);
        buffer_.erase(0, **size);
        const result<> read = parse_request_head(head_text_, limits_, head, frame_);
        if (read.has_error()) {
            decide(status_of(read.error()));
            return false;
        }
        out_.path = head.path;
        return head_read_ = true;
    }
    bool read_body() {
        const std::uint64_t length = frame_.content_length.value_or(0);
        while (frame_.chunked || out_.body.size() < length) {
            if (buffer_.empty()) return false;
            if (!frame_.chunked) {
                const std::size_t size =
                    std::min<std::size_t>(buffer_.size(), length - out_.body.size());
                out_.body += buffer_.substr(0, size);
                buffer_.erase(0, size);
                continue;
            }
            const result<chunked_decoder::step> step = decoder_.decode(buffer_);
            if (step.has_error()) return decide(status_of(step.error()));
            out_.body += step->data;
            buffer_.erase(0, step->consumed);
            if (step->done) break;
        }
        out_.left_over = buffer_.size();
        return decide(frame_.keep_alive ? "accept" : "accept, close");
    }

    arena memory_;
    head_limits limits_;
    head_scanner scanner_{limits_.head_bytes_max};
    chunked_decoder decoder_;
    framing frame_;
    std::string head_text_;
    std::string buffer_;
    judgement out_;
    bool head_read_ = false;
    bool decided_ = false;
};

judgement judge(std::string_view raw, std::size_t piece_bytes, std::size_t first_piece_bytes) {
    reader one;
    std::size_t at = std::min(first_piece_bytes, raw.size());
    bool decided = one.feed(raw.substr(0, at));
    while (!decided && at < raw.size()) {
        decided = one.feed(raw.substr(at, piece_bytes));
        at += piece_bytes;
    }
    return one.finish();
}

// lethe's decision where it is not plain acceptance: refusals, waits, closed connections.
struct row {
    std::string_view id;
    std::string_view text;
};
constexpr row decisions[] = {
    {"RFC9112-2.2-BARE-LF-REQUEST-LINE", "400"},
    {"RFC9112-5.1-OBS-FOLD", "400"},
    {"RFC9110-5.6.2-SP-BEFORE-COLON", "400"},
    {"RFC9112-7.1-MISSING-HOST", "400"},
    {"RFC9112-2.3-INVALID-VERSION", "505"},
    {"RFC9112-3-CR-ONLY-LINE-ENDING", "400"},
    {"RFC9112-3-MISSING-TARGET", "400"},
    {"RFC9112-2.3-HTTP09-REQUEST", "more"},
    {"RFC9112-5-INVALID-HEADER-NAME", "400"},
    {"RFC9110-5.4-DUPLICATE-HOST", "400"},
    {"RFC9112-6.1-CL-NON-NUMERIC", "400"},
    {"COMP-WHITESPACE-BEFORE-HEADERS", "400"},
    {"COMP-DUPLICATE-HOST-SAME", "400"},
    {"COMP-HOST-WITH-PATH", "400"},
    {"COMP-ASTERISK-WITH-GET", "400"},
    {"COMP-UNKNOWN-TE-501", "501"},
    {"COMP-POST-CL-UNDERSEND", "more"},
    {"COMP-METHOD-CONNECT", "501"},
    {"COMP-EXPECT-UNKNOWN", "417"},
    {"COMP-HOST-EMPTY-VALUE", "400"},
    {"COMP-REQUEST-LINE-TAB", "400"},
    {"COMP-VERSION-LEADING-ZEROS", "400"},
    {"COMP-VERSION-WHITESPACE", "400"},
    {"COMP-HTTP10-DEFAULT-CLOSE", "accept, close"},
    {"COMP-HTTP10-NO-HOST", "accept, close"},
    {"COMP-TRACE-WITH-BODY", "501"},
    {"SMUG-CL-TE-BOTH", "400"},
    {"SMUG-DUPLICATE-CL", "400"},
    {"SMUG-TE-XCHUNKED", "400"},
    {"SMUG-TE-TRAILING-SPACE", "400"},
    {"SMUG-CL-NEGATIVE", "400"},
    {"SMUG-CLTE-PIPELINE", "400"},
    {"SMUG-TE-DOUBLE-CHUNKED", "400"},
    {"SMUG-TE-CASE-MISMATCH", "400"},
    {"SMUG-CL-COMMA-DIFFERENT", "400"},
    {"SMUG-TE-HTTP10", "400"},
    {"SMUG-CHUNK-BARE-SEMICOLON", "400"},
    {"SMUG-CL-OCTAL", "400"},
    {"SMUG-CHUNK-UNDERSCORE", "400"},
    {"SMUG-TE-LEADING-COMMA", "400"},
    {"SMUG-TE-DUPLICATE-HEADERS", "400"},
    {"SMUG-CL-HEX-PREFIX", "400"},
    {"SMUG-CL-INTERNAL-SPACE", "400"},
    {"SMUG-CHUNK-MISSING-TRAILING-CRLF", "400"},
    {"SMUG-CHUNK-EXT-LF", "400"},
    {"SMUG-CHUNK-LF-TERM", "400"},
    {"SMUG-CHUNK-EXT-CTRL", "400"},
    {"SMUG-TE-VTAB", "400"},
    {"SMUG-TE-FORMFEED", "400"},
    {"SMUG-CHUNK-LF-TRAILER", "400"},
    {"SMUG-TE-IDENTITY", "400"},
    {"SMUG-TRANSFER_ENCODING", "400"},
    {"SMUG-CL-COMMA-SAME", "400"},
    {"SMUG-CL-UNDERSCORE", "400"},
    {"SMUG-CL-DOUBLE-ZERO", "400"},
    {"SMUG-CL-LEADING-ZEROS-OCTAL", "400"},
    {"SMUG-TE-TRAILING-COMMA", "400"},
    {"SMUG-TE-TAB-BEFORE-VALUE", "400"},
    {"SMUG-MULTIPLE-HOST-COMMA", "400"},
    {"SMUG-CHUNK-BARE-CR-TERM", "400"},
    {"MAL-BINARY-GARBAGE", "400"},
    {"MAL-LONG-URL", "431"},
    {"MAL-MANY-HEADERS", "431"},
    {"MAL-NUL-IN-URL", "400"},
    {"MAL-INCOMPLETE-REQUEST", "more"},
    {"MAL-LONG-HEADER-NAME", "431"},
    {"MAL-NON-ASCII-HEADER-NAME", "400"},
    {"MAL-NON-ASCII-URL", "400"},
    {"MAL-WHITESPACE-ONLY-LINE", "400"},
    {"MAL-NUL-IN-HEADER-VALUE", "400"},
    {"MAL-H2-PREFACE", "505"},
    {"MAL-CL-EMPTY", "400"},
    {"MAL-URL-BACKSLASH", "400"},
    {"MAL-URL-OVERLONG-UTF8", "400"},
    {"MAL-URL-PERCENT-CRLF", "400"},
    {"MAL-CHUNK-EXT-64K", "400"},
    {"MAL-POST-CL-HUGE-NO-BODY", "more"},
};

// Decisions that the corpus does not list as right, and why they stand.
constexpr row deviations[] = {
    {"COMP-TRACE-WITH-BODY",
     "501 for any TRACE: an echo would show the client the fields that the gateway adds"},
};

const row* find(std::span<const row> table, std::string_view id) {
    const auto at =
        std::find_if(table.begin(), table.end(), [id](const row& one) { return one.id == id; });
    return at == table.end() ? nullptr : &*at;
}

// Whether the corpus's text ("400/431 or close", "2xx + close", "!101") names the decision as
// right.
bool is_expected(std::string_view expected, std::string_view decision) {
    const auto names = [expected](std::string_view word) {
        return expected.find(word) != expected.npos;
    };
    if (decision.starts_with("accept")) return names("2xx") || names("200") || names("!101");
    if (decision == "more") return names("timeout") || names("close");
    return names(decision);
}

// What the source lost: it cuts at 8192 bytes and writes '?' for bytes above 0x7f.
std::string restored(std::string_view id, std::string raw) {
    const auto put = [&raw](std::string_view bytes) { raw.replace(raw.find("??"), 2, bytes); };
    if (id == "MAL-NON-ASCII-URL") put("\xc3\xa9");
    if (id == "MAL-NON-ASCII-HEADER-NAME") put("\xc3\xab");
    if (id == "MAL-URL-OVERLONG-UTF8") put("\xc0\xaf");
    if (id == "MAL-MANY-HEADERS") {
        raw += " value\r\n";
        for (int i = 517; i < 10'000; ++i) raw += "X-H-" + std::to_string(i) + ": value\r\n";
        raw += "\r\n";
    } else if (raw.size() == 8192) {
        raw += std::string(100'000 - raw.size(), raw.back());
        if (id == "MAL-LONG-URL") raw += " HTTP/1.1\r\nHost: localhost:8080\r\n\r\n";
        if (id == "MAL-LONG-HEADER-NAME") raw += ": value\r\n\r\n";
        if (id == "MAL-CHUNK-EXT-64K") raw += "\r\nhello\r\n0\r\n\r\n";
    }
    return raw;
}

boost::json::array read_cases() {
    std::ifstream in(lethe::test::source_tree() / "tests/vectors/http11/requests.json",
                     std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return boost::json::parse(text.str()).at("cases").as_array();
}

TEST(Http11Vectors, EveryRequestIsDecidedAsDocumented) {
    std::size_t decided_by_table = 0;
    const boost::json::array cases = read_cases();
    ASSERT_EQ(cases.size(), 95U);
    for (const boost::json::value& one : cases) {
        const std::string id(one.at("id").as_string());
        const std::string expected(one.at("expected").as_string());
        SCOPED_TRACE(id + ": " + std::string(one.at("description").as_string()));
        const std::string raw = restored(id, std::string(one.at("rawRequest").as_string()));
        const judgement out = judge(raw, raw.size(), raw.size());
        const row* const decided = find(decisions, id);
        decided_by_table += decided != nullptr ? 1 : 0;
        EXPECT_EQ(out.decision, decided != nullptr ? decided->text : "accept");
        EXPECT_EQ(is_expected(expected, out.decision), find(deviations, id) == nullptr) << expected;
        if (!out.decision.starts_with("accept")) continue;
        EXPECT_EQ(out.left_over, 0U) << "nothing of the body may be taken for the next request";
        EXPECT_EQ(out.path, "/");
        EXPECT_EQ(out.body.empty() || out.body == "hello" || out.body == "hello world", true)
            << out.body;
    }
    EXPECT_EQ(decided_by_table, std::size(decisions)) << "a row of the table names no case";
}

TEST(Http11Vectors, PiecesOfEverySizeAreDecidedAlike) {
    for (const boost::json::value& one : read_cases()) {
        const std::string id(one.at("id").as_string());
        SCOPED_TRACE(id);
        const std::string raw = restored(id, std::string(one.at("rawRequest").as_string()));
        const judgement whole = judge(raw, raw.size(), raw.size());
        // The long ones cut at fewer places: they are long, not intricate.
        const std::size_t stride = raw.size() > 1000 ? 97 : 1;
        for (std::size_t cut = 0; cut <= raw.size(); cut += stride)
            EXPECT_EQ(judge(raw, raw.size(), cut).decision, whole.decision) << "cut at " << cut;
        for (const std::size_t piece :
             {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}}) {
            const judgement out = judge(raw, piece * stride, piece);
            EXPECT_EQ(out.decision, whole.decision) << "in pieces of " << piece;
            if (whole.decision.starts_with("accept")) {
                EXPECT_EQ(out.body, whole.body);
                EXPECT_EQ(out.path, whole.path);
            }
        }
    }
}

}  // namespace
}  // namespace lethe::http
