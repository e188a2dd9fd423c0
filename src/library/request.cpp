#include "lethe/request.hpp"

#include "base/bytes.hpp"
#include "http/structured.hpp"
#include "library/request_data.hpp"
#include "library/session_url.hpp"

#include <charconv>

namespace lethe {
inline namespace v1 {
namespace internal {

bool decode(std::string_view text, bool plus_is_space, std::string& out) {
    out.clear();
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_space) {
            out += ' ';
        } else if (text[i] != '%') {
            out += text[i];
        } else {
            const result<std::string> byte = from_hex(text.substr(i + 1, 2));
            if (byte.has_error() || byte->size() != 1) return false;
            out += *byte;
            i += 2;
        }
    }
    return true;
}

std::uint64_t read_number(std::string_view text) noexcept {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size() ? number : 0;
}

}  // namespace internal

std::string_view request::method() const noexcept {
    return data_->exchange.request.method_text;
}
std::string_view request::path() const noexcept {
    return data_->exchange.request.path;
}
std::string_view request::query() const noexcept {
    return data_->exchange.request.query;
}
std::string_view request::remote_address() const noexcept {
    return data_->exchange.remote_address;
}
std::string_view request::body() const noexcept {
    return data_->body;
}

std::optional<std::string_view> request::header(std::string_view name) const {
    return data_->exchange.request.header.first(name);
}

std::string_view request::path_parameter(std::string_view name) const noexcept {
    for (const auto& [key, value] : data_->path_parameters)
        if (key == name) return value;
    return {};
}

std::optional<std::string> request::query_parameter(std::string_view name) const {
    std::string_view left = query();
    std::string decoded;
    while (!left.empty()) {
        const std::string_view pair = left.substr(0, left.find('&'));
        left.remove_prefix(std::min(pair.size() + 1, left.size()));
        const std::size_t equals = pair.find('=');
        if (!internal::decode(pair.substr(0, equals), true, decoded) || decoded != name) continue;
        if (equals == std::string_view::npos) return std::string{};
        if (!internal::decode(pair.substr(equals + 1), true, decoded)) return std::nullopt;
        return decoded;
    }
    return std::nullopt;
}

namespace {

result<json_value> read_session(const request& r, const http::fields& header) {
    const auto field = header.combined("Lethe-Session");
    if (!field) {
        if (r.header("Lethe-Session-Url")) return make_error_code(service_errc::session_elsewhere);
        return json_value::object({});
    }
    const result<http::structured::item> item = http::structured::parse_item(*field);
    if (item.has_error()) return make_error_code(service_errc::malformed_field);
    const auto* bytes = std::get_if<http::structured::bytes>(&item->value);
    if (bytes == nullptr) return make_error_code(service_errc::malformed_field);
    result<json_value> slots = json_value::parse(bytes->data);
    if (slots.has_error()) return make_error_code(service_errc::malformed_field);
    return slots;
}

}  // namespace

session_view request::session() const {
    return {read_session(*this, data_->exchange.request.header),
            internal::read_number(header("Lethe-Session-Version").value_or(""))};
}

boost::asio::awaitable<session_view> request::fetch_session() const {
    const std::optional<std::string_view> url = header("Lethe-Session-Url");
    if (!url) co_return session();
    const result<library::session_read> got = co_await library::read_session(data_->worker, *url);
    if (got.has_error()) co_return session_view(got.error(), 0);
    result<json_value> slots = json_value::parse(got->json);
    if (slots.has_error()) slots = make_error_code(service_errc::malformed_field);
    co_return session_view(std::move(slots), got->version);
}

// Plain, so that views of the caller's are used up before it awaits.
request::changed_session request::change_by_url(std::string_view media_type, std::string json,
                                                session_change_options options) const {
    library::session_order what{.media_type = media_type,
                                .body = std::move(json),
                                .condition = internal::word_of(options.condition)};
    const std::string key = idempotency_key();
    if (!key.empty() && !options.step.empty())
        what.key = to_hex(sha256_of_parts({key, options.step}));
    return library::change_session(data_->worker, header("Lethe-Session-Url").value_or(""),
                                   std::move(what));
}

request::changed_session request::change_session(const lethe::session_change& change,
                                                 session_change_options options) const {
    return change_by_url("application/lethe-ops+json", change.to_json(), options);
}
request::changed_session request::change_session(const session_merge& change,
                                                 session_change_options options) const {
    return change_by_url("application/merge-patch+json", change.to_json(), options);
}
request::changed_session request::change_session(const session_patch& change,
                                                 session_change_options options) const {
    return change_by_url("application/json-patch+json", change.to_json(), options);
}

std::string request::session_id() const {
    const auto field = data_->exchange.request.header.combined("Lethe-Session-Id");
    if (!field) return {};
    const result<http::structured::item> item = http::structured::parse_item(*field);
    if (item.has_error()) return {};
    const auto* text = std::get_if<std::string>(&item->value);
    return text == nullptr ? std::string{} : *text;
}

std::uint64_t request::attempt() const {
    return internal::read_number(header("Lethe-Attempt").value_or(""));
}

// A quoted string or, as many clients send it, the bare text.
std::string request::idempotency_key() const {
    const std::string_view field = trim(header("Idempotency-Key").value_or(""));
    if (!field.starts_with('"')) return std::string(field);
    const result<http::structured::item> item = http::structured::parse_item(field);
    if (item.has_error()) return {};
    const auto* text = std::get_if<std::string>(&item->value);
    return text == nullptr ? std::string{} : *text;
}

}  // namespace v1
}  // namespace lethe
