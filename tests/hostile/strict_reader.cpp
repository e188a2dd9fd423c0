#include "hostile/strict_reader.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <optional>

namespace lethe::test::hostile {
namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

bool is_token(std::string_view text) {
    static constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               marks.find(c) != std::string_view::npos;
    });
}

bool is_text(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return c == '\t' || (byte >= 0x20 && byte != 0x7f);
    });
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// Whether a list separated by commas has the word.
bool lists(std::string_view list, std::string_view word) {
    while (true) {
        const std::size_t comma = std::min(list.find(','), list.size());
        if (trimmed(list.substr(0, comma)) == word) return true;
        if (comma == list.size()) return false;
        list.remove_prefix(comma + 1);
    }
}

// What the fields say about length and connection.
struct head_facts {
    reading how = reading::unfinished;
    std::string start_line;
    std::size_t size = 0;
    std::optional<std::size_t> length;
    bool chunked = false;
    bool close = false;
    bool keep_alive = false;
};

reading note_field(head_facts& out, std::string_view name, std::string_view value) {
    if (!is_token(name) || !is_text(value)) return reading::malformed;
    const std::string key = lower(name);
    const std::string text = lower(trimmed(value));
    if (key == "content-length") {
        const bool digits =
            !text.empty() && text.size() < 19 &&
            std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
        if (!digits || out.length) return reading::malformed;
        out.length = std::stoull(text);
    } else if (key == "transfer-encoding") {
        if (text != "chunked" || out.chunked) return reading::malformed;
        out.chunked = true;
    } else if (key == "connection") {
        out.close |= lists(text, "close");
        out.keep_alive |= lists(text, "keep-alive");
    }
    return reading::whole;
}

head_facts read_head(std::string_view bytes) {
    head_facts out;
    std::size_t at = 0;
    for (int line_number = 0;; ++line_number) {
        const std::size_t end = bytes.find('\n', at);
        if (end == std::string_view::npos) return out;
        out.how = reading::malformed;
        if (end == at || bytes[end - 1] != '\r') return out;
        const std::string_view line = bytes.substr(at, end - 1 - at);
        if (line.find('\r') != std::string_view::npos) return out;
        at = end + 1;
        if (line_number == 0) {
            if (!is_text(line) || line.empty()) return out;
            out.start_line = line;
        } else if (line.empty()) {
            break;
        } else {
            const std::size_t colon = line.find(':');
            if (colon == std::string_view::npos ||
                note_field(out, line.substr(0, colon), line.substr(colon + 1)) != reading::whole)
                return out;
        }
        out.how = reading::unfinished;
    }
    out.size = at;
    out.how = out.chunked && out.length ? reading::malformed : reading::whole;
    return out;
}

struct chunks {
    reading how = reading::unfinished;
    std::string body;
    std::size_t size = 0;
};

// The line that begins at `at`, without its CR LF; `at` is left behind it.
std::optional<std::string_view> take_line(std::string_view bytes, std::size_t& at, reading& how) {
    const std::size_t end = bytes.find('\n', at);
    how = reading::unfinished;
    if (end == std::string_view::npos) return std::nullopt;
    how = reading::malformed;
    if (end == at || bytes[end - 1] != '\r') return std::nullopt;
    const std::string_view line = bytes.substr(at, end - 1 - at);
    if (!is_text(line)) return std::nullopt;
    at = end + 1;
    return line;
}

chunks read_chunks(std::string_view bytes) {
    chunks out;
    std::size_t at = 0;
    while (true) {
        const auto line = take_line(bytes, at, out.how);
        if (!line) return out;
        const std::string_view digits = trimmed(line->substr(0, line->find(';')));
        const bool sound = !digits.empty() && digits.size() <= 16 && line->front() != ' ' &&
                           std::all_of(digits.begin(), digits.end(), [](char c) {
                               return std::isxdigit(static_cast<unsigned char>(c)) != 0;
                           });
        out.how = reading::malformed;
        if (!sound) return out;
        const std::size_t size = std::stoull(std::string(digits), nullptr, 16);
        if (size == 0) break;
        out.body += bytes.substr(at, size);
        out.how = reading::unfinished;
        if (bytes.size() - at < size) return out;
        at += size;
        const std::string_view end = bytes.substr(at, 2);
        if (end != std::string_view("\r\n").substr(0, end.size())) out.how = reading::malformed;
        if (end != "\r\n") return out;
        at += 2;
    }
    while (true) {
        const auto line = take_line(bytes, at, out.how);
        if (!line) return out;
        if (line->empty()) break;
        out.how = reading::malformed;
        if (!is_token(line->substr(0, line->find(':')))) return out;
    }
    out.how = reading::whole;
    out.size = at;
    return out;
}

}  // namespace

read_request read_one_request(std::string_view bytes) {
    read_request out;
    const std::size_t all = bytes.size();
    while (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
    const head_facts head = read_head(bytes);
    out.how = head.how;
    if (head.how != reading::whole) return out;
    out.how = reading::malformed;
    const std::size_t first = head.start_line.find(' ');
    const std::size_t last = head.start_line.rfind(' ');
    if (first == std::string::npos || first == last) return out;
    out.what.method = head.start_line.substr(0, first);
    out.what.target = head.start_line.substr(first + 1, last - first - 1);
    const std::string version = head.start_line.substr(last + 1);
    const bool old = version == "HTTP/1.0";
    if (!is_token(out.what.method) || out.what.target.find(' ') != std::string::npos ||
        (version != "HTTP/1.1" && !old) || (old && head.chunked))
        return out;
    out.close = head.close || (old && !head.keep_alive);
    bytes.remove_prefix(head.size);
    out.how = reading::unfinished;
    if (head.chunked) {
        chunks body = read_chunks(bytes);
        out.how = body.how;
        out.what.body = std::move(body.body);
        bytes.remove_prefix(body.size);
    } else {
        const std::size_t length = head.length.value_or(0);
        out.what.body = bytes.substr(0, length);
        if (bytes.size() < length) return out;
        out.how = reading::whole;
        bytes.remove_prefix(length);
    }
    out.size = all - bytes.size();
    return out;
}

read_answer read_one_answer(std::string_view bytes, bool to_head, bool ended) {
    read_answer out;
    const std::size_t all = bytes.size();
    while (true) {
        const head_facts head = read_head(bytes);
        out.how = head.how;
        if (head.how != reading::whole) return out;
        out.how = reading::malformed;
        const std::string& line = head.start_line;
        const bool sound = line.size() >= 12 && line.starts_with("HTTP/1.") &&
                           (line[7] == '1' || line[7] == '0') && line[8] == ' ' &&
                           std::isdigit(static_cast<unsigned char>(line[9])) != 0;
        if (!sound) return out;
        out.status = std::atoi(line.c_str() + 9);
        out.close = head.close || (line[7] == '0' && !head.keep_alive);
        bytes.remove_prefix(head.size);
        if (out.status / 100 == 1 && out.status != 101) {
            ++out.interim;
            continue;
        }
        out.how = reading::whole;
        if (to_head || out.status == 204 || out.status == 304 || out.status == 101) break;
        if (head.chunked) {
            chunks body = read_chunks(bytes);
            out.how = body.how;
            out.body = std::move(body.body);
            bytes.remove_prefix(body.size);
        } else if (head.length) {
            out.body = bytes.substr(0, *head.length);
            bytes.remove_prefix(out.body.size());
            if (out.body.size() < *head.length) out.how = reading::unfinished;
        } else {
            out.body = bytes;
            out.close = true;
            bytes = {};
            if (!ended) out.how = reading::unfinished;
        }
        break;
    }
    out.size = all - bytes.size();
    return out;
}

std::vector<message> read_all_requests(std::string_view bytes) {
    std::vector<message> out;
    while (true) {
        read_request one = read_one_request(bytes);
        if (one.how != reading::whole) return out;
        bytes.remove_prefix(one.size);
        out.push_back(std::move(one.what));
        if (one.close) return out;
    }
}

}  // namespace lethe::test::hostile
