#include "library/session_url.hpp"

#include "http/client.hpp"
#include "http/structured.hpp"
#include "http/writer.hpp"
#include "library/request_data.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace lethe::library {
namespace {

constexpr std::string_view scheme = "http://";
constexpr std::string_view session_path = "/lethe/v1/session/h";
// The gateway waits for its store within this, and answers.
constexpr std::chrono::seconds call_time{10};
// More than a session may be.
constexpr std::size_t answer_bytes_max = 1024 * 1024;

struct answer {
    int status = 0;
    std::uint64_t version = 0;
    std::string body = {};
};

error_code away() {
    return make_error_code(service_errc::session_away);
}

using field = std::pair<std::string_view, std::string_view>;

// Errors: session_away when nothing can have happened by it, else session_unknown.
task<answer> ask(net::worker& on, session_place at, std::string_view method,
                 std::vector<field> fields, std::string body) {
    const steady_time deadline = on.time().steady_now() + call_time;
    result<net::stream> stream = co_await net::connect(on, std::move(at.at), deadline);
    if (stream.has_error()) co_return away();
    arena memory;
    http::head_text head(memory);
    http::append_request_line(head, method, at.target, {}, false);
    http::append_field(head, "Host", at.authority);
    for (const auto& [name, value] : fields) http::append_field(head, name, value);
    if (!body.empty()) http::append_content_length(head, body.size());
    http::append_field(head, "Connection", "close");
    http::append_head_end(head);
    const std::string_view text = head.done();

    http::client_connection connection(on, *std::move(stream), {}, {});
    const auto failed = [&] {
        return connection.anything_sent() ? make_error_code(service_errc::session_unknown) : away();
    };
    const http::body_ptr sent = http::make_borrowed_body(memory, body);
    const result<> written = co_await connection.send(text, sent.get(), deadline);
    // Who refuses a long body may have said so and closed before all of it was sent.
    http::response_head got(memory);
    const result<> read = co_await connection.read_head(http::parse_method(method), got, deadline);
    if (read.has_error() || (written.has_error() && got.status < 400)) co_return failed();
    answer out{
        .status = got.status,
        .version = internal::read_number(got.header.first("Lethe-Session-Version").value_or(""))};
    while (true) {
        const result<std::string_view> piece = co_await connection.read_body(deadline);
        if (piece.has_error() || out.body.size() + piece->size() > answer_bytes_max)
            co_return failed();
        if (piece->empty()) co_return out;
        out.body += *piece;
    }
}

service_errc reason_of(const answer& refused) {
    switch (refused.status) {
        case 404:
        case 410: return service_errc::session_gone;
        case 409:
        case 412: return service_errc::session_conflict;
        case 503:
            return refused.body.find("urn:lethe:problem:session-outcome-unknown") ==
                           std::string::npos
                       ? service_errc::session_away
                       : service_errc::session_unknown;
        default:
            return refused.status >= 400 && refused.status < 500 ? service_errc::session_refused
                                                                 : service_errc::session_unknown;
    }
}

}  // namespace

std::optional<session_place> parse_session_url(std::string_view url) {
    const result<http::structured::item> item = http::structured::parse_item(url);
    if (item.has_error()) return std::nullopt;
    const auto* text = std::get_if<std::string>(&item->value);
    if (text == nullptr || !text->starts_with(scheme)) return std::nullopt;
    const std::size_t slash = text->find('/', scheme.size());
    if (slash == std::string::npos) return std::nullopt;
    session_place out{.at = {},
                      .authority = text->substr(scheme.size(), slash - scheme.size()),
                      .target = text->substr(slash)};
    // Beneath a path of its own where a proxy stands in front of the gateway.
    const auto is_printable = [](char c) { return c > ' ' && c < 0x7f; };
    if (out.target.find(session_path) == std::string::npos ||
        !std::ranges::all_of(out.target, is_printable))
        return std::nullopt;
    result<net::address> at = net::parse_address(out.authority);
    if (at.has_error()) at = net::parse_address(out.authority + ":80");
    if (at.has_error()) return std::nullopt;
    out.at = *std::move(at);
    return out;
}

task<session_read> read_session(net::worker& on, std::string_view url) {
    std::optional<session_place> at = parse_session_url(url);
    if (!at) co_return make_error_code(service_errc::malformed_field);
    result<answer> got = co_await ask(on, *std::move(at), "GET", {}, {});
    // Nothing is in doubt of what only reads.
    if (got.has_error()) co_return away();
    if (got->status == 200)
        co_return session_read{.json = std::move(got->body), .version = got->version};
    co_return make_error_code(reason_of(*got) == service_errc::session_gone
                                  ? service_errc::session_gone
                                  : service_errc::session_away);
}

task<std::uint64_t> change_session(net::worker& on, std::string_view url, session_order what) {
    if (url.empty()) co_return make_error_code(service_errc::no_session_url);
    std::optional<session_place> at = parse_session_url(url);
    if (!at) co_return make_error_code(service_errc::malformed_field);
    std::vector<field> fields = {{"Content-Type", what.media_type},
                                 {"Lethe-Session-If", what.condition}};
    if (!what.key.empty()) fields.emplace_back("Idempotency-Key", what.key);
    const result<answer> got =
        co_await ask(on, *std::move(at), "PATCH", std::move(fields), std::move(what.body));
    if (got.has_error()) co_return got.error();
    if (got->status == 204) co_return got->version;
    co_return make_error_code(reason_of(*got));
}

}  // namespace lethe::library
