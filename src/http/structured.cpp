#include "http/structured.hpp"

#include "base/bytes.hpp"
#include "http/byte_classes.hpp"
#include "http/errors.hpp"

#include <algorithm>
#include <cstdlib>

namespace lethe::http::structured {
namespace {

// RFC 9651 section 3 asks for at least 1024 members of a dictionary and 256 parameters. Repeated
// keys are found by looking at each, so that more would let a sender waste our time.
constexpr std::size_t members_max = 1024;
constexpr std::size_t parameters_max = 256;
// 15 digits.
constexpr std::int64_t number_max = 999'999'999'999'999;

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
constexpr bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
constexpr bool is_alpha(char c) {
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}
constexpr bool is_key_start(char c) {
    return is_lower(c) || c == '*';
}
constexpr bool is_key_byte(char c) {
    return is_key_start(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
}
constexpr bool is_token_start(char c) {
    return is_alpha(c) || c == '*';
}
constexpr bool is_token_rest(char c) {
    return detail::is_token_byte(static_cast<unsigned char>(c)) || c == ':' || c == '/';
}
constexpr bool is_printable(char c) {
    return c >= 0x20 && c < 0x7f;
}
constexpr int lower_hex_digit(char c) {
    if (is_digit(c)) return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

error_code refuse() {
    return LETHE_ERR(errc::malformed);
}

// RFC 9651 section 4.2, step by step; the text shrinks from the front.
class reader {
 public:
    explicit reader(std::string_view text) : rest_(text) { skip_spaces(); }

    result<item> read_item();
    result<list> read_list();
    result<dictionary> read_dictionary();
    // Whether nothing but spaces is left.
    bool finish() {
        skip_spaces();
        return rest_.empty();
    }

 private:
    result<member> read_member();
    result<inner_list> read_inner_list();
    result<parameters> read_parameters();
    result<std::string> read_key();
    result<bare_item> read_bare_item();
    result<bare_item> read_number();
    result<bare_item> read_date();
    result<bare_item> read_string();
    result<bare_item> read_bytes();
    result<bare_item> read_boolean();
    result<bare_item> read_display_string();
    bare_item read_token();
    // Between members; at the end nothing is left.
    result<> read_comma();

    bool at(char c) const { return !rest_.empty() && rest_.front() == c; }
    bool take(char c) {
        if (!at(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    template <class Predicate>
    std::string_view take_while(Predicate predicate) {
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), predicate);
        const auto taken = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        rest_.remove_prefix(taken.size());
        return taken;
    }
    void skip_spaces() {
        take_while([](char c) { return c == ' '; });
    }
    void skip_white_space() {
        take_while([](char c) { return c == ' ' || c == '\t'; });
    }

    std::string_view rest_;
};

result<item> reader::read_item() {
    LETHE_TRY(bare_item value, read_bare_item());
    LETHE_TRY(parameters params, read_parameters());
    return item{std::move(value), std::move(params)};
}

result<list> reader::read_list() {
    list out;
    while (!rest_.empty()) {
        LETHE_TRY(member one, read_member());
        out.push_back(std::move(one));
        const result<> separated = read_comma();
        if (separated.has_error()) return separated.error();
    }
    return out;
}

result<dictionary> reader::read_dictionary() {
    dictionary out;
    while (!rest_.empty()) {
        LETHE_TRY(std::string key, read_key());
        member value = item{bare_item{true}, {}};
        if (take('=')) {
            LETHE_TRY(value, read_member());
        } else {
            LETHE_TRY(std::get<item>(value).params, read_parameters());
        }
        const auto known =
            std::find_if(out.begin(), out.end(), [&](const auto& one) { return one.first == key; });
        if (known != out.end())
            known->second = std::move(value);
        else if (out.size() == members_max)
            return refuse();
        else
            out.emplace_back(std::move(key), std::move(value));
        const result<> separated = read_comma();
        if (separated.has_error()) return separated.error();
    }
    return out;
}

result<> reader::read_comma() {
    skip_white_space();
    if (rest_.empty()) return {};
    if (!take(',')) return refuse();
    skip_white_space();
    if (rest_.empty()) return refuse();  // a comma at the end
    return {};
}

result<member> reader::read_member() {
    if (at('(')) {
        LETHE_TRY(inner_list inner, read_inner_list());
        return member{std::move(inner)};
    }
    LETHE_TRY(item one, read_item());
    return member{std::move(one)};
}

result<inner_list> reader::read_inner_list() {
    inner_list out;
    take('(');
    while (true) {
        skip_spaces();
        if (take(')')) break;
        LETHE_TRY(item one, read_item());
        out.items.push_back(std::move(one));
        if (!at(' ') && !at(')')) return refuse();
    }
    LETHE_TRY(out.params, read_parameters());
    return out;
}

result<parameters> reader::read_parameters() {
    parameters out;
    while (take(';')) {
        skip_spaces();
        LETHE_TRY(std::string key, read_key());
        bare_item value = true;
        if (take('=')) {
            LETHE_TRY(value, read_bare_item());
        }
        const auto known =
            std::find_if(out.begin(), out.end(), [&](const auto& one) { return one.first == key; });
        if (known != out.end())
            known->second = std::move(value);
        else if (out.size() == parameters_max)
            return refuse();
        else
            out.emplace_back(std::move(key), std::move(value));
    }
    return out;
}

result<std::string> reader::read_key() {
    if (rest_.empty() || !is_key_start(rest_.front())) return refuse();
    return std::string(take_while(is_key_byte));
}

result<bare_item> reader::read_bare_item() {
    if (rest_.empty()) return refuse();
    const char first = rest_.front();
    if (first == '-' || is_digit(first)) return read_number();
    if (is_token_start(first)) return read_token();
    switch (first) {
        case '"': return read_string();
        case ':': return read_bytes();
        case '?': return read_boolean();
        case '@': return read_date();
        case '%': return read_display_string();
        default: return refuse();
    }
}

result<bare_item> reader::read_number() {
    const std::int64_t sign = take('-') ? -1 : 1;
    const std::string_view whole = take_while(is_digit);
    const auto value_of = [](std::string_view digits) {
        std::int64_t out = 0;
        for (const char c : digits) out = out * 10 + (c - '0');
        return out;
    };
    if (whole.empty() || whole.size() > 15) return refuse();
    if (!take('.')) return bare_item{sign * value_of(whole)};
    const std::string_view fraction = take_while(is_digit);
    if (whole.size() > 12 || fraction.empty() || fraction.size() > 3) return refuse();
    std::int64_t thousandths = value_of(fraction);
    for (std::size_t i = fraction.size(); i < 3; ++i) thousandths *= 10;
    return bare_item{decimal{sign * (value_of(whole) * 1000 + thousandths)}};
}

result<bare_item> reader::read_date() {
    take('@');
    LETHE_TRY(const bare_item number, read_number());
    const auto* const seconds = std::get_if<std::int64_t>(&number);
    if (seconds == nullptr) return refuse();
    return bare_item{date{*seconds}};
}

result<bare_item> reader::read_string() {
    take('"');
    std::string out;
    while (true) {
        out += take_while([](char c) { return is_printable(c) && c != '"' && c != '\\'; });
        if (take('"')) return bare_item{std::move(out)};
        if (!take('\\') || (!at('"') && !at('\\'))) return refuse();
        out += rest_.front();
        rest_.remove_prefix(1);
    }
}

bare_item reader::read_token() {
    return token{std::string(take_while(is_token_rest))};
}

result<bare_item> reader::read_bytes() {
    take(':');
    const std::string_view text = take_while([](char c) { return c != ':'; });
    if (!take(':')) return refuse();
    result<std::string> decoded = from_base64(text);
    if (decoded.has_error()) return refuse();
    return bare_item{bytes{std::move(*decoded)}};
}

result<bare_item> reader::read_boolean() {
    take('?');
    if (take('1')) return bare_item{true};
    if (take('0')) return bare_item{false};
    return refuse();
}

result<bare_item> reader::read_display_string() {
    take('%');
    if (!take('"')) return refuse();
    std::string out;
    while (true) {
        out += take_while([](char c) { return is_printable(c) && c != '"' && c != '%'; });
        if (take('"')) break;
        if (!take('%') || rest_.size() < 2) return refuse();
        const int high = lower_hex_digit(rest_[0]);
        const int low = lower_hex_digit(rest_[1]);
        if (high < 0 || low < 0) return refuse();
        out += static_cast<char>(high * 16 + low);
        rest_.remove_prefix(2);
    }
    if (!is_utf8(out)) return refuse();
    return bare_item{display_string{std::move(out)}};
}

// RFC 9651 section 4.1; each answers false when the value cannot be expressed.
class writer {
 public:
    bool put(const item& value) { return put(value.value) && put(value.params); }
    bool put(const member& value) {
        return std::visit([this](const auto& one) { return put(one); }, value);
    }
    bool put(const inner_list& value);
    bool put(const list& value);
    bool put(const dictionary& value);
    std::string take() { return std::move(out_); }

 private:
    bool put(const bare_item& value) {
        return std::visit([this](const auto& one) { return put_bare(one); }, value);
    }
    bool put(const parameters& value);
    bool put_key(std::string_view key);
    bool put_bare(std::int64_t value);
    bool put_bare(decimal value);
    bool put_bare(const std::string& value);
    bool put_bare(const token& value);
    bool put_bare(const bytes& value);
    bool put_bare(bool value);
    bool put_bare(date value);
    bool put_bare(const display_string& value);

    std::string out_;
};

bool writer::put(const inner_list& value) {
    out_ += '(';
    for (std::size_t i = 0; i < value.items.size(); ++i) {
        if (i != 0) out_ += ' ';
        if (!put(value.items[i])) return false;
    }
    out_ += ')';
    return put(value.params);
}

bool writer::put(const list& value) {
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (i != 0) out_ += ", ";
        if (!put(value[i])) return false;
    }
    return true;
}

bool writer::put(const dictionary& value) {
    for (std::size_t i = 0; i < value.size(); ++i) {
        const auto& [key, one] = value[i];
        if (i != 0) out_ += ", ";
        if (!put_key(key)) return false;
        const auto* const plain = std::get_if<item>(&one);
        if (plain != nullptr && plain->value == bare_item{true}) {
            if (!put(plain->params)) return false;
            continue;
        }
        out_ += '=';
        if (!put(one)) return false;
    }
    return true;
}

bool writer::put(const parameters& value) {
    for (const auto& [key, one] : value) {
        out_ += ';';
        if (!put_key(key)) return false;
        if (one == bare_item{true}) continue;
        out_ += '=';
        if (!put(one)) return false;
    }
    return true;
}

bool writer::put_key(std::string_view key) {
    out_ += key;
    return !key.empty() && is_key_start(key.front()) &&
           std::all_of(key.begin(), key.end(), is_key_byte);
}

bool writer::put_bare(std::int64_t value) {
    if (value < -number_max || value > number_max) return false;
    out_ += std::to_string(value);
    return true;
}

bool writer::put_bare(decimal value) {
    if (value.thousandths < -number_max || value.thousandths > number_max) return false;
    const std::int64_t size = std::abs(value.thousandths);
    if (value.thousandths < 0) out_ += '-';
    out_ += std::to_string(size / 1000);
    std::string fraction = std::to_string(1000 + size % 1000);
    fraction.front() = '.';
    while (fraction.size() > 2 && fraction.back() == '0') fraction.pop_back();
    out_ += fraction;
    return true;
}

bool writer::put_bare(const std::string& value) {
    out_ += '"';
    for (const char c : value) {
        if (!is_printable(c)) return false;
        if (c == '"' || c == '\\') out_ += '\\';
        out_ += c;
    }
    out_ += '"';
    return true;
}

bool writer::put_bare(const token& value) {
    out_ += value.text;
    return !value.text.empty() && is_token_start(value.text.front()) &&
           std::all_of(value.text.begin(), value.text.end(), is_token_rest);
}

bool writer::put_bare(const bytes& value) {
    out_ += ':';
    out_ += to_base64(value.data);
    out_ += ':';
    return true;
}

bool writer::put_bare(bool value) {
    out_ += value ? "?1" : "?0";
    return true;
}

bool writer::put_bare(date value) {
    out_ += '@';
    return put_bare(value.seconds);
}

bool writer::put_bare(const display_string& value) {
    static constexpr char digits[] = "0123456789abcdef";
    if (!is_utf8(value.text)) return false;
    out_ += "%\"";
    for (const char c : value.text) {
        if (is_printable(c) && c != '%' && c != '"') {
            out_ += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out_ += '%';
        out_ += digits[byte >> 4];
        out_ += digits[byte & 15];
    }
    out_ += '"';
    return true;
}

template <class Value>
result<std::string> write(const Value& value) {
    writer out;
    if (!out.put(value)) return refuse();
    return out.take();
}

}  // namespace

result<item> parse_item(std::string_view text) {
    reader in(text);
    result<item> out = in.read_item();
    if (out.has_value() && !in.finish()) return refuse();
    return out;
}

result<list> parse_list(std::string_view text) {
    reader in(text);
    result<list> out = in.read_list();
    if (out.has_value() && !in.finish()) return refuse();
    return out;
}

result<dictionary> parse_dictionary(std::string_view text) {
    reader in(text);
    result<dictionary> out = in.read_dictionary();
    if (out.has_value() && !in.finish()) return refuse();
    return out;
}

result<std::string> to_text(const item& value) {
    return write(value);
}
result<std::string> to_text(const list& value) {
    return write(value);
}
result<std::string> to_text(const dictionary& value) {
    return write(value);
}

const bare_item* find_parameter(const parameters& params, std::string_view key) noexcept {
    for (const auto& [name, value] : params)
        if (name == key) return &value;
    return nullptr;
}

}  // namespace lethe::http::structured
