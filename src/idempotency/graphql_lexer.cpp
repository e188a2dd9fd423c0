#include "idempotency/graphql_lexer.hpp"

#include "base/json.hpp"
#include "idempotency/errors.hpp"

#include <boost/json/value.hpp>

#include <algorithm>

namespace lethe::idempotency::graphql {
namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
constexpr std::string_view triple_quote = "\"\"\"";

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
bool begins_name(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool continues_name(char c) noexcept {
    return begins_name(c) || is_digit(c);
}

std::size_t count_digits(std::string_view text, std::size_t from) noexcept {
    std::size_t at = from;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at - from;
}

}  // namespace

void lexer::skip_ignored() {
    while (!rest_.empty()) {
        const char c = rest_.front();
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',') {
            rest_.remove_prefix(1);
        } else if (c == '#') {
            rest_.remove_prefix(std::min(rest_.find_first_of("\r\n"), rest_.size()));
        } else if (rest_.starts_with(byte_order_mark)) {
            rest_.remove_prefix(byte_order_mark.size());
        } else {
            return;
        }
    }
}

token lexer::take(token_kind kind, std::size_t bytes) {
    const token out{kind, rest_.substr(0, bytes)};
    rest_.remove_prefix(bytes);
    return out;
}

result<token> lexer::next() {
    skip_ignored();
    if (rest_.empty()) return token{};
    const char c = rest_.front();
    if (rest_.starts_with("...")) return take(token_kind::punctuator, 3);
    if (std::string_view("!$&()=:@[]{|}").find(c) != std::string_view::npos)
        return take(token_kind::punctuator, 1);
    if (begins_name(c)) {
        const auto end = std::ranges::find_if_not(rest_, continues_name);
        return take(token_kind::name, static_cast<std::size_t>(end - rest_.begin()));
    }
    if (c == '-' || is_digit(c)) return take_number();
    if (rest_.starts_with(triple_quote)) return take_block_string();
    if (c == '"') return take_string();
    return LETHE_ERR(errc::graphql_malformed);
}

result<token> lexer::take_number() {
    std::size_t at = rest_.front() == '-' ? 1 : 0;
    const std::size_t whole = count_digits(rest_, at);
    if (whole == 0 || (whole > 1 && rest_[at] == '0')) return LETHE_ERR(errc::graphql_malformed);
    at += whole;
    if (at < rest_.size() && rest_[at] == '.') {
        const std::size_t fraction = count_digits(rest_, at + 1);
        if (fraction == 0) return LETHE_ERR(errc::graphql_malformed);
        at += 1 + fraction;
    }
    if (at < rest_.size() && (rest_[at] == 'e' || rest_[at] == 'E')) {
        ++at;
        if (at < rest_.size() && (rest_[at] == '+' || rest_[at] == '-')) ++at;
        const std::size_t exponent = count_digits(rest_, at);
        if (exponent == 0) return LETHE_ERR(errc::graphql_malformed);
        at += exponent;
    }
    // Section 2.9.1: nothing that could be a part of it follows.
    if (at < rest_.size() && (continues_name(rest_[at]) || rest_[at] == '.'))
        return LETHE_ERR(errc::graphql_malformed);
    return take(token_kind::number, at);
}

result<token> lexer::take_string() {
    for (std::size_t at = 1; at < rest_.size(); ++at) {
        const char c = rest_[at];
        if (c == '"') return take(token_kind::string, at + 1);
        if (c == '\n' || c == '\r') break;
        if (c == '\\') ++at;
    }
    return LETHE_ERR(errc::graphql_malformed);
}

result<token> lexer::take_block_string() {
    std::size_t at = triple_quote.size();
    while (true) {
        at = rest_.find(triple_quote, at);
        if (at == std::string_view::npos) return LETHE_ERR(errc::graphql_malformed);
        if (rest_[at - 1] != '\\') return take(token_kind::block_string, at + triple_quote.size());
        at += triple_quote.size();
    }
}

result<std::string> string_value(const token& of) {
    // A key in a block string would need its rules about indentation: nobody writes that.
    if (of.kind != token_kind::string) return LETHE_ERR(errc::graphql_malformed);
    // The escapes are JSON's, but for "\u{...}", which is refused.
    const result<boost::json::value> read = json::parse(of.text);
    if (read.has_error() || !read->is_string()) return LETHE_ERR(errc::graphql_malformed);
    const auto& text = read->get_string();
    return std::string(text.data(), text.size());
}

}  // namespace lethe::idempotency::graphql
