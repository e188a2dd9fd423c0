#include "store/redis/resp.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace lethe::store::redis::resp {
namespace {

constexpr std::string_view line_end = "\r\n";

// The beginning of an element: its line, and for a string the bytes behind it.
struct head {
    char mark = 0;
    std::string_view line;     // behind the mark, without its end
    bool null = false;         // "$-1", "*-1"
    std::int64_t integer = 0;  // ':' and '#'
    std::size_t count = 0;     // bytes of a string, elements of an aggregate (a map's: twice)
    std::size_t size = 0;  // bytes of the line with its end, and of a string's body with its end
};

bool is_blob(char mark) noexcept {
    return mark == '$' || mark == '!' || mark == '=';
}
bool is_aggregate(char mark) noexcept {
    return mark == '*' || mark == '%' || mark == '~' || mark == '>' || mark == '|';
}

std::optional<std::int64_t> to_integer(std::string_view text) noexcept {
    if (text.starts_with('+')) {
        text.remove_prefix(1);
        if (text.starts_with('-')) return std::nullopt;
    }
    std::int64_t out = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return out;
}

bool is_digits(std::string_view text) noexcept {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_real(std::string_view text) noexcept {
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (text == "inf" || text == "nan") return true;
    double out = 0;
    if (text.empty() || text.front() < '.' || text.front() > '9') return false;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
    return failed != std::errc::invalid_argument && end == text.data() + text.size();
}

// A length: -1 (null) where `may_be_null`.
bool read_count(head& out, std::size_t most, bool may_be_null) noexcept {
    if (may_be_null && out.line == "-1") {
        out.null = true;
        return true;
    }
    const std::optional<std::int64_t> count = to_integer(out.line);
    if (!is_digits(out.line) || !count || static_cast<std::uint64_t>(*count) > most) return false;
    out.count = static_cast<std::size_t>(*count);
    return true;
}

// What the line says, which must make sense by itself.
bool read_line(head& out) noexcept {
    switch (out.mark) {
        case '+':
        case '-': return true;
        case '_': return out.line.empty();
        case ',': return is_real(out.line);
        case '(': return is_digits(out.line.substr(out.line.starts_with('-') ? 1 : 0));
        case '#': out.integer = out.line == "t"; return out.line == "t" || out.line == "f";
        case ':': {
            const std::optional<std::int64_t> number = to_integer(out.line);
            out.integer = number.value_or(0);
            return number.has_value();
        }
        case '$': return read_count(out, bulk_bytes_max, true);
        case '!': return read_count(out, bulk_bytes_max, false);
        // Three letters and a colon stand before a verbatim string.
        case '=': return read_count(out, bulk_bytes_max, false) && out.count >= 4;
        case '*': return read_count(out, elements_max, true);
        case '~':
        case '>': return read_count(out, elements_max, false);
        case '%':
        case '|':
            if (!read_count(out, elements_max / 2, false)) return false;
            out.count *= 2;
            return true;
        default: return false;
    }
}

bool known(char mark) noexcept {
    return std::string_view("+-_,(#:$!=*~>%|").find(mark) != std::string_view::npos;
}

enum class found { whole, part, nonsense };

// `searched` bytes are known to hold no line end. For a string whose body is not all there: part,
// with `out.size` set.
found read_head(std::string_view bytes, std::size_t& searched, head& out) noexcept {
    if (bytes.empty()) return found::part;
    out = head{.mark = bytes.front(), .line = {}};
    if (!known(out.mark)) return found::nonsense;
    const std::size_t end = bytes.find('\r', std::max<std::size_t>(searched, 1));
    if (end == std::string_view::npos || end + 1 == bytes.size()) {
        searched = std::min(end, bytes.size());
        return searched > line_bytes_max ? found::nonsense : found::part;
    }
    if (bytes[end + 1] != '\n' || end > line_bytes_max) return found::nonsense;
    out.line = bytes.substr(1, end - 1);
    if (out.line.find('\n') != std::string_view::npos || !read_line(out)) return found::nonsense;
    out.size = end + line_end.size();
    if (!is_blob(out.mark) || out.null) return found::whole;
    const std::size_t body = out.size;
    out.size += out.count + line_end.size();
    if (bytes.size() < out.size) return found::part;
    if (bytes.substr(body + out.count, line_end.size()) != line_end) return found::nonsense;
    out.line = bytes.substr(body, out.count);
    return found::whole;
}

class parser {
 public:
    explicit parser(std::string_view bytes) : rest_(bytes) {}

    // The limits are each reply's own.
    result<value> next() {
        elements_ = 0;
        return element(1);
    }
    [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }

 private:
    result<value> element(std::size_t depth) {
        while (true) {
            head read;
            std::size_t searched = 0;
            if (depth > depth_max || ++elements_ > elements_max ||
                read_head(rest_, searched, read) != found::whole)
                return LETHE_ERR(errc::corrupt);
            rest_.remove_prefix(read.size);
            if (!is_aggregate(read.mark) || read.null) return scalar(read);
            value out{.type = read.mark == '%'   ? kind::map
                              : read.mark == '>' ? kind::push
                                                 : kind::array};
            // The size is foreign: room is made as elements come.
            out.items.reserve(std::min<std::size_t>(read.count, 1024));
            for (std::size_t i = 0; i < read.count; ++i) {
                result<value> one = element(depth + 1);
                if (one.has_error()) return one;
                out.items.push_back(*std::move(one));
            }
            if (read.mark != '|') return out;
        }
    }

    static value scalar(const head& read) {
        if (read.null || read.mark == '_') return {};
        switch (read.mark) {
            case '-':
            case '!': return {.type = kind::error, .text = read.line};
            case ':':
            case '#': return {.type = kind::integer, .text = {}, .integer = read.integer};
            case ',': return {.type = kind::real, .text = read.line};
            case '(': return {.type = kind::big_number, .text = read.line};
            case '=': return {.type = kind::text, .text = read.line.substr(4)};
            default: return {.type = kind::text, .text = read.line};
        }
    }

    std::string_view rest_;
    std::size_t elements_ = 0;
};

}  // namespace

const value* value::find(std::string_view name) const noexcept {
    if (type != kind::map && type != kind::array) return nullptr;
    for (std::size_t i = 0; i + 1 < items.size(); i += 2)
        if (items[i].is_text() && items[i].text == name) return &items[i + 1];
    return nullptr;
}

result<value> parse(std::string_view reply) {
    parser from(reply);
    result<value> one = from.next();
    if (one.has_value() && !from.at_end()) return LETHE_ERR(errc::corrupt);
    return one;
}

result<std::vector<value>> parse_all(std::string_view replies, std::size_t count) {
    std::vector<value> out;
    out.reserve(count);
    parser from(replies);
    for (std::size_t i = 0; i < count; ++i) {
        result<value> one = from.next();
        if (one.has_error()) return one.error();
        out.push_back(*std::move(one));
    }
    if (!from.at_end()) return LETHE_ERR(errc::corrupt);
    return out;
}

void cutter::reset() noexcept {
    frames_[0] = {1, false};
    depth_ = 1;
    at_ = searched_ = elements_ = wanted_ = 0;
}

// True when that was the last one of the whole reply.
bool cutter::element_ended() noexcept {
    while (true) {
        frame& top = frames_[depth_ - 1];
        if (--top.left > 0) return false;
        if (--depth_ == 0) return true;
        // Behind an attribute comes what it belongs to.
        if (top.attribute) return false;
    }
}

result<std::size_t> cutter::cut(std::string_view bytes) {
    // What nearly every change is answered with.
    if (elements_ == 0 && searched_ == 0 && bytes.starts_with(done_reply)) return done_reply.size();
    while (true) {
        head read;
        const found got = read_head(bytes.substr(at_), searched_, read);
        if (got == found::nonsense) {
            reset();
            return LETHE_ERR(errc::corrupt);
        }
        if (got == found::part) {
            wanted_ = read.size == 0 ? 0 : at_ + read.size;
            return std::size_t{0};
        }
        at_ += read.size;
        searched_ = 0;
        const bool opens = is_aggregate(read.mark) && read.count > 0;
        if (++elements_ > elements_max || (opens && depth_ > depth_max - 1)) {
            reset();
            return LETHE_ERR(errc::corrupt);
        }
        if (opens) {
            frames_[depth_++] = {read.count, read.mark == '|'};
            continue;
        }
        // An empty attribute is no element either.
        if (read.mark == '|' || !element_ended()) continue;
        const std::size_t size = at_;
        reset();
        return size;
    }
}

bool cutter::is_unasked(std::string_view reply) const {
    return reply.starts_with('>');
}

namespace {

// Around a word: '$', the digits of its size, two ends of lines.
constexpr std::size_t frame_bytes_max = 1 + 20 + 4;

char* put(char* at, std::string_view bytes) noexcept {
    return std::copy(bytes.begin(), bytes.end(), at);
}

char* put_count(char* at, std::size_t count) noexcept {
    if (count >= 1000) return std::to_chars(at, at + 20, count).ptr;
    if (count >= 100) *at++ = static_cast<char>('0' + count / 100);
    if (count >= 10) *at++ = static_cast<char>('0' + count / 10 % 10);
    *at++ = static_cast<char>('0' + count % 10);
    return at;
}

void append_head(std::string& to, char mark, std::size_t count) {
    char head[26];
    head[0] = mark;
    char* end = std::to_chars(head + 1, head + sizeof head - 2, count).ptr;
    *end++ = '\r';
    *end++ = '\n';
    to.append(head, end);
}

}  // namespace

digits::digits(std::int64_t n)
    : size_(static_cast<std::size_t>(std::to_chars(text_, text_ + sizeof text_, n).ptr - text_)) {}

void append(std::string& to, std::string_view head, std::span<const word> words) {
    std::size_t size = head.size();
    for (const word& one : words)
        size += one.before_that.size() + one.before.size() + one.bytes.size() + frame_bytes_max;
    const std::size_t begin = to.size();
    to.resize(begin + size);
    char* at = put(to.data() + begin, head);
    for (const word& one : words) {
        const std::size_t bytes = one.before_that.size() + one.before.size() + one.bytes.size();
        *at++ = '$';
        at = put_count(at, bytes);
        at = put(at, line_end);
        at = put(at, one.before_that);
        at = put(at, one.before);
        at = put(at, one.bytes);
        at = put(at, line_end);
    }
    to.resize(static_cast<std::size_t>(at - to.data()));
}

command::command(std::string& to, std::size_t words) : to_(to) {
    append_head(to_, '*', words);
}

command& command::word(std::string_view bytes) {
    return word({}, {}, bytes);
}

command& command::word(std::string_view first, std::string_view second, std::string_view third) {
    const resp::word one{.bytes = third, .before = second, .before_that = first};
    append(to_, {}, {&one, 1});
    return *this;
}

command& command::number(std::int64_t n) {
    return word(digits(n).text());
}

}  // namespace lethe::store::redis::resp
