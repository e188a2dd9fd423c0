#include "idempotency/options.hpp"

#include "base/bytes.hpp"
#include "http/fields.hpp"
#include "http/target.hpp"
#include "idempotency/json_path.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace lethe::idempotency {

bool may_be_fingerprinted(std::string_view field_name) noexcept {
    static constexpr std::array<std::string_view, 20> never = {
        "authorization",
        "proxy-authorization",
        "cookie",
        "dpop",
        "date",
        "user-agent",
        "idempotency-key",
        "traceparent",
        "tracestate",
        "baggage",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "via",
        "x-request-id",
        "content-length",
        "transfer-encoding",
        "connection",
        "expect",
    };
    return std::ranges::none_of(
        never, [field_name](std::string_view one) { return equal_ignoring_case(one, field_name); });
}

namespace {

// As it goes upstream once the key stands in it.
bool is_reconcile_path(std::string_view wanted) {
    constexpr std::string_view place = "{key}";
    const std::size_t at = wanted.find(place);
    if (at == std::string_view::npos || wanted.find(place, at + 1) != std::string_view::npos)
        return false;
    const std::string tried =
        std::string(wanted.substr(0, at)) + "k" + std::string(wanted.substr(at + place.size()));
    arena memory;
    const result<http::target> read = http::parse_target(tried, http::method::get, memory);
    if (read.has_error() || !read->authority.empty()) return false;
    const std::string normal =
        std::string(read->path) + (read->has_query ? "?" : "") + std::string(read->query);
    return normal == tried;
}

}  // namespace

std::optional<std::string> find_mistake(const route_options& wanted) {
    using namespace std::chrono_literals;
    if (wanted.lease < 1s || wanted.lease > 10min) return "lease must be 1s to 10m";
    if (wanted.ttl < wanted.lease) return "ttl must not be below lease";
    if (wanted.ttl > days_max || wanted.tombstone > days_max)
        return "ttl and tombstone end at 400d";
    if (wanted.wait < 0s || wanted.wait > 10s) return "wait must be 0 to 10s";
    if (wanted.expired == expired_rule::reject && wanted.tombstone < 1s)
        return "tombstone must be 1s or more with expired: reject";
    if (wanted.answer_bytes_max > answer_bytes_limit) return "answer_bytes_max ends at 1 GiB";
    if (wanted.store_timeout < 10ms || wanted.store_timeout > 60s)
        return "store_timeout must be 10ms to 60s";
    if (wanted.store_down == store_down_rule::pass && wanted.mode == key_mode::required)
        return "store_down: pass needs mode: optional";
    if (wanted.on_unknown == unknown_rule::resend && !wanted.backend_dedups)
        return "on_unknown: resend needs backend: dedups";
    if ((wanted.on_unknown == unknown_rule::reconcile) != !wanted.reconcile.empty())
        return "on_unknown: reconcile and the path at `reconcile` need each other";
    if (!wanted.reconcile.empty() && !is_reconcile_path(wanted.reconcile))
        return "reconcile must be a path in normal form with {key} in it, such as "
               "/orders/by-key/{key}";
    if (!wanted.fingerprint_paths.empty() && wanted.fingerprint_body != body_rule::meaning)
        return "fingerprint_paths need fingerprint_body: meaning";
    for (const std::string& path : wanted.fingerprint_paths)
        if (json_path::parse(path).has_error())
            return "'" + path + "' is not a path such as $.order.id or $.items[*].sku";
    if (wanted.graphql && wanted.fingerprint_body != body_rule::bytes)
        return "graphql has a fingerprint of its own; leave fingerprint_body out";
    for (const std::string& name : wanted.fingerprint_headers) {
        if (!http::is_token(name)) return "'" + name + "' is not a field name";
        if (!may_be_fingerprinted(name))
            return name + " differs between retries of one request; it cannot be fingerprinted";
    }
    for (const std::string& name : wanted.not_replayed)
        if (!http::is_token(name)) return "'" + name + "' is not a field name";
    const auto is_unfit = [](char c) { return c <= 0x20 || c >= 0x7f || c == '<' || c == '>'; };
    if (std::ranges::any_of(wanted.described_by, is_unfit)) return "described_by must be a URI";
    return std::nullopt;
}

}  // namespace lethe::idempotency
