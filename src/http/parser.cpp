#include "http/parser.hpp"

#include "base/bytes.hpp"
#include "http/byte_classes.hpp"
#include "http/target.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace lethe::http {
namespace {

using detail::is_space;

constexpr std::size_t method_bytes_max = 32;
// RFC 9112 section 2.2 asks for one; old clients send two behind a body.
constexpr std::size_t empty_lines_max = 4;

// What the fields say about framing, gathered while they are read.
struct framing_fields {
    std::size_t hosts = 0;
    std::size_t content_lengths = 0;
    std::size_t transfer_encodings = 0;
    std::string_view host;
    std::string_view content_length;
    std::string_view transfer_encoding;
    bool connection_close = false;
    bool connection_keep_alive = false;
    bool connection_upgrade = false;
    bool upgrade = false;
    bool expects_continue = false;
    bool expects_other = false;
};

enum class kind : bool { request, response };

// The first byte from `at` on that a field value must not have; the head's last CR at the latest.
const char* find_value_end(const char* at, const char* end) {
    while (true) {
        at = detail::skip_no_controls(at, end);
        // A tab, or the last few bytes.
        const char* const stop = std::min(at + 16, end);
        while (at != stop && detail::is_value_byte(static_cast<unsigned char>(*at))) ++at;
        if (at != stop || at == end) return at;
    }
}

// The first CR or LF from `at` on, or the end.
const char* find_line_break(const char* at, const char* end) {
    at = detail::skip_no_line_breaks(at, end);
    while (at != end && *at != '\r' && *at != '\n') ++at;
    return at;
}

result<> note_connection(std::string_view value, kind of, framing_fields& found) {
    while (!value.empty()) {
        const std::size_t comma = std::min(value.find(','), value.size());
        const std::string_view option = trim(value.substr(0, comma));
        value.remove_prefix(comma < value.size() ? comma + 1 : comma);
        if (equal_ignoring_case(option, "close"))
            found.connection_close = true;
        else if (equal_ignoring_case(option, "keep-alive"))
            found.connection_keep_alive = true;
        else if (equal_ignoring_case(option, "upgrade"))
            found.connection_upgrade = true;
        else if (of == kind::request && !option.empty()) {
            // Whoever may name any field here can have it taken out on the way (RFC 9110 7.6.1).
            const field_id id = identify(option);
            if (id != field_id::other && !is_hop_by_hop(id)) return LETHE_ERR(errc::malformed);
        }
    }
    return {};
}

result<> note_field(const field_line& line, kind of, framing_fields& found) {
    switch (line.id) {
        case field_id::host:
            ++found.hosts;
            found.host = line.value;
            return {};
        case field_id::content_length:
            ++found.content_lengths;
            found.content_length = line.value;
            return {};
        case field_id::transfer_encoding:
            ++found.transfer_encodings;
            found.transfer_encoding = line.value;
            return {};
        case field_id::connection: return note_connection(line.value, of, found);
        case field_id::upgrade: found.upgrade = true; return {};
        case field_id::expect:
            if (equal_ignoring_case(line.value, "100-continue"))
                found.expects_continue = true;
            else
                found.expects_other = true;
            return {};
        default: return {};
    }
}

// Reads lines up to the empty one, which must end the head. The head ends with CR LF CR LF, so that
// no loop over token or value bytes can leave it.
result<> read_fields(const char* at, const char* end, std::size_t fields_max, kind of,
                     fields& header, framing_fields& found) {
    for (std::size_t count = 0; *at != '\r'; ++count) {
        if (count == fields_max) return LETHE_ERR(errc::too_many_fields);
        const char* const name = at;
        unsigned classes = 0;
        at = detail::skip_usual_name(at, end);
        while (const unsigned one = detail::token_table[static_cast<unsigned char>(*at)]) {
            classes |= one;
            ++at;
        }
        if (at == name || *at != ':') return LETHE_ERR(errc::malformed);
        const std::string_view name_text(name, static_cast<std::size_t>(at - name));
        ++at;
        while (is_space(static_cast<unsigned char>(*at))) ++at;
        const char* const value = at;
        at = find_value_end(at, end);
        if (at[0] != '\r' || at[1] != '\n') return LETHE_ERR(errc::malformed);
        const char* value_end = at;
        while (value_end != value && is_space(static_cast<unsigned char>(value_end[-1])))
            --value_end;
        header.append_borrowed(name_text, {value, static_cast<std::size_t>(value_end - value)});
        if (of == kind::request && (classes & detail::underscore) != 0 &&
            imitates_known_field(name_text))
            return LETHE_ERR(errc::malformed);
        const result<> noted = note_field(*(header.end() - 1), of, found);
        if (noted.has_error()) return noted.error();
        at += 2;
    }
    return at + 2 == end ? result<>{} : LETHE_ERR(errc::malformed);
}

// Exactly "chunked". Other codings in a sound list are merely not spoken; where the list leaves the
// body's length open, it is an error of the sender's.
result<> check_transfer_encoding(std::string_view value) {
    if (equal_ignoring_case(value, "chunked")) return {};
    bool chunked = false;
    while (true) {
        const std::size_t comma = value.find(',');
        const std::string_view coding = trim(value.substr(0, comma));
        if (!is_token(coding) || chunked) return LETHE_ERR(errc::malformed);
        chunked = equal_ignoring_case(coding, "chunked");
        if (comma == std::string_view::npos) return LETHE_ERR(errc::unsupported_transfer_coding);
        value.remove_prefix(comma + 1);
    }
}

// RFC 9112 section 6: how the body is delimited, one way only.
result<> read_framing(const framing_fields& found, int version_minor, framing& out) {
    out = framing{};
    if (found.transfer_encodings != 0) {
        if (found.transfer_encodings > 1 || found.content_lengths != 0 || version_minor == 0)
            return LETHE_ERR(errc::malformed);
        const result<> checked = check_transfer_encoding(found.transfer_encoding);
        if (checked.has_error()) return checked.error();
        out.chunked = true;
    }
    if (found.content_lengths != 0) {
        out.content_length = parse_content_length(found.content_length);
        if (found.content_lengths > 1 || !out.content_length) return LETHE_ERR(errc::malformed);
    }
    out.keep_alive = !found.connection_close && (version_minor != 0 || found.connection_keep_alive);
    out.wants_upgrade = found.upgrade && found.connection_upgrade && version_minor != 0;
    return {};
}

// "HTTP/1.x", x being 0 or 1. Any other version in the right form is one lethe does not speak.
result<int> parse_version(const char* at) {
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (std::memcmp(at, "HTTP/", 5) != 0 || !is_digit(at[5]) || at[6] != '.' || !is_digit(at[7]))
        return LETHE_ERR(errc::malformed);
    if (at[5] != '1' || at[7] > '1') return LETHE_ERR(errc::unsupported_version);
    return at[7] - '0';
}
constexpr std::ptrdiff_t version_size = 8;

bool is_complete(std::string_view head) {
    return head.ends_with("\r\n\r\n");
}

// Method, target and version; `at` is left behind the line. Also the form of the target.
result<target> read_request_line(const char*& at, const char* end, const head_limits& limits,
                                 request_head& out) {
    const char* const method = at;
    while (detail::is_token_byte(static_cast<unsigned char>(*at))) ++at;
    out.method_text = {method, static_cast<std::size_t>(at - method)};
    if (at == method || *at != ' ' || out.method_text.size() > method_bytes_max)
        return LETHE_ERR(errc::malformed);
    out.method = parse_method(out.method_text);
    ++at;
    const auto* const space =
        static_cast<const char*>(std::memchr(at, ' ', static_cast<std::size_t>(end - at)));
    if (space == nullptr || end - space < version_size + 3) return LETHE_ERR(errc::malformed);
    const std::string_view text(at, static_cast<std::size_t>(space - at));
    at = space + 1;
    const result<int> version = parse_version(at);
    if (version.has_error()) return version.error();
    out.version_minor = *version;
    at += version_size;
    if (at[0] != '\r' || at[1] != '\n') return LETHE_ERR(errc::malformed);
    at += 2;
    if (text.size() > limits.target_bytes_max) return LETHE_ERR(errc::target_too_long);
    if (out.method == method::connect || out.method == method::trace)
        return LETHE_ERR(errc::unsupported_method);
    return parse_target(text, out.method, out.header.memory());
}

// RFC 9112 section 3.2. With an absolute target both must name the same place: whoever looks at one
// of them alone then decides alike.
result<> read_authority(const framing_fields& found, const target& where, request_head& out) {
    if (found.hosts > 1 || (found.hosts == 0 && out.version_minor != 0))
        return LETHE_ERR(errc::malformed);
    out.authority = where.authority;
    if (found.hosts == 0) return {};
    if (!is_authority(found.host)) return LETHE_ERR(errc::malformed);
    if (where.authority.empty())
        out.authority = normalise_authority(found.host, out.header.memory());
    else if (!same_authority(found.host, where.authority, where.default_port))
        return LETHE_ERR(errc::malformed);
    return {};
}

}  // namespace

bool imitates_known_field(std::string_view name) noexcept {
    if (name.find('_') == std::string_view::npos) return false;
    std::array<char, 32> changed{};
    const std::size_t size = std::min(name.size(), changed.size());
    for (std::size_t i = 0; i < size; ++i) changed[i] = name[i] == '_' ? '-' : name[i];
    return identify({changed.data(), size}) != field_id::other;
}

bool is_method(std::string_view text) noexcept {
    return text.size() <= method_bytes_max && is_token(text);
}

std::optional<std::uint64_t> parse_content_length(std::string_view text) noexcept {
    if (text.empty() || text.size() > 19 || (text.size() > 1 && text.front() == '0'))
        return std::nullopt;
    std::uint64_t out = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        out = out * 10 + static_cast<std::uint64_t>(c - '0');
    }
    if (out > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
    return out;
}

result<std::optional<std::size_t>> head_scanner::scan(std::string_view buffer) {
    const std::string_view text = buffer.substr(0, head_bytes_max_);
    while (true) {
        const char* const stop = find_line_break(text.data() + scanned_, text.data() + text.size());
        const auto line_end = static_cast<std::size_t>(stop - text.data());
        if (line_end != text.size() && *stop == '\n') return LETHE_ERR(errc::malformed);
        if (!head_started_ && line_end > line_start_) {
            if (!detail::is_token_byte(static_cast<unsigned char>(text[line_start_])))
                return LETHE_ERR(errc::malformed);
            head_started_ = true;
        }
        scanned_ = line_end;
        if (line_end + 1 >= text.size()) break;  // no CR, or its LF is still to come
        if (text[line_end + 1] != '\n') return LETHE_ERR(errc::malformed);
        const bool empty = line_end == line_start_;
        line_start_ = scanned_ = line_end + 2;
        if (!empty) continue;
        if (head_started_) return line_start_;
        if (++empty_lines_ > empty_lines_max) return LETHE_ERR(errc::malformed);
    }
    if (buffer.size() >= head_bytes_max_) return LETHE_ERR(errc::head_too_large);
    return std::nullopt;
}

void head_scanner::reset() noexcept {
    *this = head_scanner(head_bytes_max_);
}

result<> parse_request_head(std::string_view head, const head_limits& limits, request_head& out,
                            framing& out_framing) {
    if (head.size() > limits.head_bytes_max) return LETHE_ERR(errc::head_too_large);
    if (!is_complete(head)) return LETHE_ERR(errc::malformed);
    for (std::size_t i = 0; i < empty_lines_max && head.size() > 4 && head.starts_with("\r\n"); ++i)
        head.remove_prefix(2);
    const char* at = head.data();
    const char* const end = at + head.size();
    const result<target> where = read_request_line(at, end, limits, out);
    if (where.has_error()) return where.error();
    out.path = where->path;
    out.query = where->query;
    out.has_query = where->has_query;

    framing_fields found;
    const result<> read = read_fields(at, end, limits.fields_max, kind::request, out.header, found);
    if (read.has_error()) return read.error();
    const result<> placed = read_authority(found, *where, out);
    if (placed.has_error()) return placed.error();
    const result<> framed = read_framing(found, out.version_minor, out_framing);
    if (framed.has_error()) return framed.error();
    if (out.version_minor != 0) {  // RFC 9110 section 10.1.1: HTTP/1.0 knows no expectations
        if (found.expects_other) return LETHE_ERR(errc::unsupported_expectation);
        out_framing.expects_continue =
            found.expects_continue &&
            (out_framing.chunked || out_framing.content_length.value_or(0) != 0);
    }
    return {};
}

result<> parse_response_head(std::string_view head, const head_limits& limits,
                             method request_method, response_head& out, framing& out_framing) {
    if (head.size() > limits.head_bytes_max) return LETHE_ERR(errc::head_too_large);
    constexpr std::ptrdiff_t line_size_min = version_size + 4;  // and " 200"
    if (!is_complete(head) || head.size() < line_size_min + 4) return LETHE_ERR(errc::malformed);
    const char* at = head.data();
    const char* const end = at + head.size();
    const result<int> version = parse_version(at);
    if (version.has_error()) return version.error();
    at += version_size;
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (at[0] != ' ' || !is_digit(at[1]) || !is_digit(at[2]) || !is_digit(at[3]))
        return LETHE_ERR(errc::malformed);
    out.status = (at[1] - '0') * 100 + (at[2] - '0') * 10 + (at[3] - '0');
    if (out.status < 100 || out.status > 599) return LETHE_ERR(errc::malformed);
    at += 4;
    // A reason is anything that could be a field value; many servers leave out the space before an
    // empty one.
    if (*at != ' ' && *at != '\r') return LETHE_ERR(errc::malformed);
    at = find_value_end(at, end);
    if (at[0] != '\r' || at[1] != '\n') return LETHE_ERR(errc::malformed);
    at += 2;

    framing_fields found;
    const result<> read =
        read_fields(at, end, limits.fields_max, kind::response, out.header, found);
    if (read.has_error()) return read.error();
    const result<> framed = read_framing(found, *version, out_framing);
    if (framed.has_error()) return framed.error();
    const bool announces_body = out_framing.chunked || out_framing.content_length.value_or(0) != 0;
    // What announces a body that cannot be may send it all the same: as the next answer's head.
    // Behind an interim answer that would be the head of this exchange's own answer.
    if (out.status < 200 && announces_body) return LETHE_ERR(errc::malformed);
    const bool never_has_body = out.status < 200 || out.status == 204;
    if (never_has_body || out.status == 304 || request_method == method::head) {
        if (out.status == 204 && announces_body) out_framing.keep_alive = false;
        out_framing.chunked = false;
        out_framing.content_length = 0;
    } else if (!out_framing.chunked && !out_framing.content_length) {
        out_framing.until_close = true;
        out_framing.keep_alive = false;
    }
    return {};
}

}  // namespace lethe::http
