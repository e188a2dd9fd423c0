#include "store/memcached/meta.hpp"

#include "base/bytes.hpp"

#include <algorithm>
#include <charconv>

namespace lethe::store::memcached {
namespace {

constexpr std::string_view line_end = "\r\n";

bool fits_in_a_line(std::string_view bytes) {
    return std::ranges::all_of(bytes, [](char c) { return c > ' ' && c < '\x7f'; });
}

template <class Number>
std::optional<Number> to_number(std::string_view text) {
    Number out{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return out;
}

// The next word of a line, which is taken from it.
std::string_view take_word(std::string_view& line) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return word;
}

// Where the data block of a reply begins and how long it is, without its line end; nullopt for a
// reply without one.
result<std::optional<std::size_t>> data_bytes(std::string_view line) {
    if (take_word(line) != "VA") return std::optional<std::size_t>{};
    const auto size = to_number<std::size_t>(take_word(line));
    if (!size || *size > value_bytes_max * 2) return LETHE_ERR(errc::corrupt);
    return size;
}

bool is_statistics(std::string_view bytes) {
    return bytes.starts_with("STAT ") || bytes.starts_with("END\r\n");
}

bool is_misunderstanding(std::string_view line) {
    return line == "ERROR" || line.starts_with("ERROR ") || line.starts_with("CLIENT_ERROR");
}

class meta_cutter final : public reply_cutter {
 public:
    explicit meta_cutter(std::size_t greeting_replies) : greeting_left_(greeting_replies) {}

    result<std::size_t> cut(std::string_view bytes) override {
        if (bytes.empty()) return std::size_t{0};
        if (size_ == 0) {
            const result<> known = is_statistics(bytes) ? measure_list(bytes) : measure(bytes);
            if (known.has_error()) return known.error();
        }
        if (size_ == 0 || bytes.size() < size_) return std::size_t{0};
        const std::size_t whole = std::exchange(size_, 0);
        seen_ = 0;
        if (greeting_left_ > 0) --greeting_left_;
        return whole;
    }

    bool is_unasked(std::string_view) const override { return false; }
    std::size_t bytes_wanted() const noexcept override { return size_; }

 private:
    // The end of the line that begins at `from`; npos while it is not there.
    result<std::size_t> find_line_end(std::string_view bytes, std::size_t from) {
        // A line end may be split between what was seen and what is new.
        const std::size_t begin = std::max(from, seen_ > 0 ? seen_ - 1 : 0);
        const std::size_t end = bytes.find(line_end, begin);
        seen_ = end == bytes.npos ? bytes.size() : end;
        if (std::min(end, bytes.size()) - from > line_bytes_max) return LETHE_ERR(errc::corrupt);
        return end;
    }

    result<> measure(std::string_view bytes) {
        LETHE_TRY(const std::size_t end, find_line_end(bytes, 0));
        if (end == bytes.npos) return {};
        const std::string_view line = bytes.substr(0, end);
        if (greeting_left_ == 0 && is_misunderstanding(line)) return LETHE_ERR(errc::corrupt);
        LETHE_TRY(const std::optional<std::size_t> data, data_bytes(line));
        size_ = end + line_end.size() + (data ? *data + line_end.size() : 0);
        return {};
    }

    result<> measure_list(std::string_view bytes) {
        while (true) {
            if (list_at_ > statistics_bytes_max) return LETHE_ERR(errc::corrupt);
            LETHE_TRY(const std::size_t end, find_line_end(bytes, list_at_));
            if (end == bytes.npos) return {};
            const std::string_view line = bytes.substr(list_at_, end - list_at_);
            list_at_ = end + line_end.size();
            seen_ = list_at_;
            if (line != "END") continue;
            size_ = std::exchange(list_at_, 0);
            return {};
        }
    }

    std::size_t greeting_left_;
    std::size_t size_ = 0;     // of the reply that begins the bytes, once it is known
    std::size_t seen_ = 0;     // no line end begins before here
    std::size_t list_at_ = 0;  // the line of a list that is not whole yet
};

struct word_kind {
    std::string_view word;
    reply_kind kind;
};
constexpr word_kind kinds[] = {
    {"HD", reply_kind::done},
    {"VA", reply_kind::value},
    {"EN", reply_kind::missing},
    {"NF", reply_kind::missing},
    {"NS", reply_kind::not_stored},
    {"EX", reply_kind::exists},
    {"MN", reply_kind::noop},
    {"STORED", reply_kind::stored},
    {"ERROR", reply_kind::client_error},
};

// The flags behind a reply's first word; what lethe did not ask for is passed over.
bool read_flags(std::string_view line, reply& out) {
    while (!line.empty()) {
        const std::string_view word = take_word(line);
        if (word.empty()) continue;
        const std::string_view token = word.substr(1);
        if (word[0] == 'c' && !(out.cas = to_number<std::uint64_t>(token))) return false;
        if (word[0] == 'O' && !(out.number = to_number<std::uint64_t>(token))) return false;
        if (word[0] == 't' && !(out.seconds = to_number<std::int64_t>(token))) return false;
    }
    return true;
}

result<reply> parse_line(std::string_view line) {
    reply out;
    for (const auto& [text, kind] : {word_kind{"SERVER_ERROR", reply_kind::server_error},
                                     word_kind{"CLIENT_ERROR", reply_kind::client_error}}) {
        if (!line.starts_with(text)) continue;
        out.kind = kind;
        out.value = trim(line.substr(text.size()));
        return out;
    }
    const std::string_view word = take_word(line);
    const auto* const found = std::ranges::find(kinds, word, &word_kind::word);
    if (found == std::end(kinds)) return LETHE_ERR(errc::corrupt);
    out.kind = found->kind;
    if (out.kind == reply_kind::client_error) return out;
    if (out.kind == reply_kind::value) take_word(line);
    if (!read_flags(line, out)) return LETHE_ERR(errc::corrupt);
    return out;
}

}  // namespace

std::optional<item_name> make_item_name(std::string_view bytes) {
    if (bytes.empty()) return std::nullopt;
    item_name out{.text = std::string(bytes), .base64 = !fits_in_a_line(bytes)};
    if (out.base64) out.text = to_base64(bytes);
    if (out.text.size() > name_bytes_max) return std::nullopt;
    return out;
}

void requests::begin(std::string_view command, const item_name& name) {
    bytes_ += command;
    bytes_ += ' ';
    bytes_ += name.text;
}

void requests::flags_and_end(const item_name& name) {
    if (name.base64) bytes_ += " b";
    bytes_ += " O";
    bytes_ += std::to_string(next_++);
    bytes_ += line_end;
}

void requests::get(const item_name& name) {
    begin("mg", name);
    bytes_ += " v c t";
    flags_and_end(name);
}

void requests::prolong(const item_name& name, std::int64_t exptime) {
    begin("mg", name);
    bytes_ += " T" + std::to_string(exptime);
    flags_and_end(name);
}

void requests::set(const item_name& name, std::string_view value, const set_how& how) {
    begin("ms", name);
    bytes_ += ' ' + std::to_string(value.size());
    bytes_ += " T" + std::to_string(how.exptime);
    if (how.mode == set_mode::add) bytes_ += " ME";
    if (how.mode == set_mode::append) bytes_ += " MA";
    if (how.cas) bytes_ += " C" + std::to_string(*how.cas);
    conditional_ |= how.cas.has_value();
    flags_and_end(name);
    bytes_ += value;
    bytes_ += line_end;
}

void requests::erase(const item_name& name, std::optional<std::uint64_t> cas) {
    begin("md", name);
    if (cas) bytes_ += " C" + std::to_string(*cas);
    conditional_ |= cas.has_value();
    flags_and_end(name);
}

std::string noop_request() {
    return "mn\r\n";
}

std::string statistics_request(std::string_view about) {
    return about.empty() ? "stats\r\n" : "stats " + std::string(about) + "\r\n";
}

std::string login_request(std::string_view user, std::string_view password) {
    const std::size_t size = user.size() + 1 + password.size();
    std::string out = "set login 0 0 " + std::to_string(size) + "\r\n";
    out += user;
    out += ' ';
    out += password;
    return out += "\r\n";
}

result<reply> take_reply(std::string_view& bytes) {
    if (is_statistics(bytes)) {
        const std::size_t last = bytes.starts_with("END\r\n") ? 0 : bytes.find("\r\nEND\r\n");
        if (last == bytes.npos) return LETHE_ERR(errc::corrupt);
        const std::size_t lines = last == 0 ? 0 : last + line_end.size();
        const reply out{.kind = reply_kind::statistics, .value = bytes.substr(0, lines)};
        bytes.remove_prefix(lines + std::string_view("END\r\n").size());
        return out;
    }
    const std::size_t end = bytes.find(line_end);
    if (end == bytes.npos || end > line_bytes_max) return LETHE_ERR(errc::corrupt);
    const std::string_view line = bytes.substr(0, end);
    LETHE_TRY(const std::optional<std::size_t> data, data_bytes(line));
    LETHE_TRY(reply out, parse_line(line));
    std::string_view rest = bytes.substr(end + line_end.size());
    if (data) {
        if (rest.size() < *data || !rest.substr(*data).starts_with(line_end))
            return LETHE_ERR(errc::corrupt);
        out.value = rest.substr(0, *data);
        rest.remove_prefix(*data + line_end.size());
    }
    bytes = rest;
    return out;
}

std::optional<std::string_view> statistic(std::string_view lines, std::string_view name) {
    while (!lines.empty()) {
        const std::size_t end = std::min(lines.find(line_end), lines.size());
        std::string_view line = lines.substr(0, end);
        lines.remove_prefix(std::min(end + line_end.size(), lines.size()));
        if (take_word(line) == "STAT" && take_word(line) == name) return line;
    }
    return std::nullopt;
}

std::unique_ptr<reply_cutter> make_meta_cutter(std::size_t greeting_replies) {
    return std::make_unique<meta_cutter>(greeting_replies);
}

}  // namespace lethe::store::memcached
