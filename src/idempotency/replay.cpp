#include "idempotency/replay.hpp"

#include "base/bytes.hpp"
#include "http/writer.hpp"
#include "idempotency/problems.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace lethe::idempotency {
namespace {

using http::field_id;
using http::field_line;

constexpr std::string_view expose_headers = "Access-Control-Expose-Headers";

// True only of the one answer, its moment or its connection.
bool is_never_replayed(const field_line& line) {
    switch (line.id) {
        case field_id::age:
        case field_id::alt_svc:
        case field_id::content_length:
        case field_id::date:
        case field_id::idempotency_key:
        case field_id::retry_after:
        case field_id::set_cookie:
        case field_id::traceparent:
        case field_id::tracestate:
        case field_id::www_authenticate:
        case field_id::x_request_id: return true;
        // A session change is part of the outcome; the session filter applies it at most once. And
        // that nobody knows is, where the route makes it final.
        case field_id::lethe:
            return !starts_with_ignoring_case(line.name, "Lethe-Session-") &&
                   !equal_ignoring_case(line.name, "Lethe-Outcome");
        default: break;
    }
    if (http::is_hop_by_hop(line.id)) return true;
    static constexpr std::array<std::string_view, 11> names = {
        "server-timing", "traceresponse",   "request-id",         "x-correlation-id",
        "x-trace-id",    "x-amzn-trace-id", "x-amzn-requestid",   "x-cloud-trace-context",
        "set-cookie2",   "cf-ray",          "idempotent-replayed"};
    static constexpr std::array<std::string_view, 4> prefixes = {"ratelimit", "x-ratelimit",
                                                                 "x-rate-limit", "x-b3-"};
    const auto is_name = [&](std::string_view one) { return equal_ignoring_case(line.name, one); };
    const auto is_prefix = [&](std::string_view one) {
        return starts_with_ignoring_case(line.name, one);
    };
    return std::ranges::any_of(names, is_name) || std::ranges::any_of(prefixes, is_prefix);
}

bool is_cross_origin_field(std::string_view name) {
    return starts_with_ignoring_case(name, "Access-Control-");
}

// Answers to another origin than the first say nothing about what this one may read.
bool may_show_cross_origin(const outcome& result, std::string_view origin) {
    if (result.origin == origin) return true;
    return std::ranges::any_of(result.header, [](const auto& line) {
        return equal_ignoring_case(line.first, "Access-Control-Allow-Origin") && line.second == "*";
    });
}

std::string_view origin_of(const http::exchange& x) {
    return x.request.header.first(field_id::origin).value_or("");
}

}  // namespace

outcome make_outcome(const http::exchange& x, const route_options& options, system_time now) {
    outcome out;
    out.status = x.response.status;
    out.completed = now;
    out.origin = origin_of(x);
    std::vector<std::string_view> of_connection;
    for (const field_line& line : x.response.header)
        if (line.id == field_id::connection)
            http::for_each_list_member(
                line.value, [&](std::string_view name) { of_connection.push_back(name); });
    const auto is_listed = [&](std::string_view name) {
        const auto is_same = [name](std::string_view one) {
            return equal_ignoring_case(one, name);
        };
        return std::ranges::any_of(options.not_replayed, is_same) ||
               std::ranges::any_of(of_connection, is_same);
    };
    for (const field_line& line : x.response.header)
        if (!is_never_replayed(line) && !is_listed(line.name))
            out.header.emplace_back(line.name, line.value);
    return out;
}

void answer_replay(http::exchange& x, outcome result) {
    LETHE_ASSERT(result.body.has_value());
    std::string body = *std::move(result.body);
    answer_replay(x, result, body.empty() ? nullptr : http::make_owned_body(std::move(body)));
}

void answer_replay(http::exchange& x, const outcome& result, http::body_ptr body) {
    x.replayed = true;
    x.response.status = result.status;
    x.response.header.clear();
    const bool cross_origin = may_show_cross_origin(result, origin_of(x));
    for (const auto& [name, value] : result.header)
        if (cross_origin || !is_cross_origin_field(name)) x.response.header.add(name, value);

    x.response.header.append_borrowed("Idempotent-Replayed", "true");
    if (const auto key = x.request.header.first(field_id::idempotency_key))
        x.response.header.append_borrowed("Idempotency-Key", *key);
    x.response.header.add("Lethe-Original-Date", http::http_date(result.completed));
    expose_to_browser(x, "Idempotent-Replayed, Idempotency-Key, Lethe-Original-Date");
    x.response_body = std::move(body);
}

void answer_without_body(http::exchange& x, const outcome& result) {
    const std::string detail = "The request was done and answered with status " +
                               std::to_string(result.status) +
                               ". The answer was too large to be kept, or a stream.";
    http::answer_problem(x, problems::replay_unavailable, {.detail = detail});
    for (const auto& [name, value] : result.header)
        if (equal_ignoring_case(name, "Location")) x.response.header.add(name, value);
    x.response.header.add("Lethe-Original-Date", http::http_date(result.completed));
    expose_to_browser(x, "Location, Lethe-Original-Date");
}

void strip_own_fields(http::response_head& answer) {
    answer.header.remove("Lethe-Idempotency");
    answer.header.remove("Lethe-Outcome");
    answer.header.remove("Lethe-Original-Date");
    answer.header.remove("Lethe-Original-Status");
}

void mark(http::exchange& x, std::string_view name, std::string_view value) {
    x.response.header.append_borrowed(name, value);
    expose_to_browser(x, name);
}

void expose_to_browser(http::exchange& x, std::string_view field_names) {
    if (origin_of(x).empty()) return;
    x.response.header.add(expose_headers, field_names);
}

}  // namespace lethe::idempotency
