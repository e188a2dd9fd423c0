#include "idempotency/reconcile.hpp"

#include "base/bytes.hpp"

#include <algorithm>
#include <string>

namespace lethe::idempotency {
namespace {

using http::field_id;

bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

// A key of dots alone would be read as a way up: dots are escaped, too.
std::string percent_encode(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        if (is_unreserved(c) && c != '.') {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += digits[byte >> 4];
        out += digits[byte & 0xf];
    }
    return out;
}

// What is about the first request's body, or about an answer that its client has.
bool is_left_out(const http::field_line& line) {
    static constexpr field_id left_out[] = {field_id::content_length, field_id::content_type,
                                            field_id::transfer_encoding, field_id::expect};
    if (std::ranges::find(left_out, line.id) != std::end(left_out)) return true;
    static constexpr std::string_view prefixes[] = {"content-", "if-", "range", "trailer"};
    return std::ranges::any_of(prefixes, [&](std::string_view prefix) {
        return starts_with_ignoring_case(line.name, prefix);
    });
}

std::unique_ptr<http::exchange> make_probe(http::exchange& x, std::string_view path,
                                           std::string_view key) {
    constexpr std::string_view place = "{key}";
    auto probe = std::make_unique<http::exchange>(x.memory(), x.time());
    const std::size_t at = path.find(place);
    const std::string encoded = percent_encode(key);
    const std::string_view target =
        x.memory().concat({path.substr(0, at), encoded, path.substr(at + place.size())});
    const std::size_t question = target.find('?');
    http::request_head& head = probe->request;
    head.method = http::method::get;
    head.method_text = "GET";
    head.path = target.substr(0, question);
    head.has_query = question != std::string_view::npos;
    if (head.has_query) head.query = target.substr(question + 1);
    head.authority = x.request.authority;
    for (const http::field_line& line : x.request.header)
        if (!is_left_out(line)) head.header.add(line.name, line.value);
    probe->keeps = x.keeps;
    probe->remote_address = x.remote_address;
    probe->secure = x.secure;
    probe->route_name = x.route_name;
    probe->route = x.route;
    probe->upstream_name = x.upstream_name;
    probe->principal = x.principal;
    probe->session = x.session;
    // Says below which attempt nothing may run any more, and whose session change its answer tells.
    probe->attempt = x.attempt;
    probe->operation_id = x.operation_id;
    probe->survives_client = true;
    probe->deadline = x.deadline;
    probe->started = x.started;
    return probe;
}

}  // namespace

task<reconciled> ask_service(http::exchange& x, http::next rest, std::string_view path,
                             std::string_view key) {
    reconciled out;
    out.probe = make_probe(x, path, key);
    const result<> asked = co_await rest(*out.probe);
    if (asked.has_error()) co_return asked.error();
    const http::exchange& probe = *out.probe;
    if (probe.outcome == http::upstream_outcome::answered && probe.response.status == 200)
        out.found = finding::done;
    else if (probe.outcome == http::upstream_outcome::answered && probe.response.status == 404)
        out.found = finding::not_done;
    if (out.found == finding::unclear) out.probe.reset();
    co_return out;
}

}  // namespace lethe::idempotency
