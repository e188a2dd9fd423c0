#include "gateway/openapi.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "http/problems.hpp"
#include "idempotency/problems.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

namespace lethe::gateway {
namespace {

namespace bj = boost::json;
namespace problems = idempotency::problems;

// All that the idempotency filter refuses with.
constexpr std::array<const http::problem_type*, 13> refusals = {
    &problems::key_required,       &problems::key_malformed,     &problems::batch_refused,
    &problems::key_unscoped,       &problems::in_progress,       &problems::outcome_unknown,
    &problems::replay_unavailable, &problems::key_expired,       &http::problems::body_too_large,
    &problems::key_mismatch,       &problems::store_unavailable, &problems::answer_lost,
    &http::problems::no_room,
};

std::string response_name(int status) {
    return fmt::format("Idempotency{}", status);
}

bj::object problem_schema() {
    return {{"type", "object"},
            {"description", "Problem details (RFC 9457)"},
            {"required", bj::array{"type", "title", "status"}},
            {"properties", bj::object{{"type", bj::object{{"type", "string"}, {"format", "uri"}}},
                                      {"title", bj::object{{"type", "string"}}},
                                      {"status", bj::object{{"type", "integer"}}},
                                      {"detail", bj::object{{"type", "string"}}}}}};
}

// One response per status: what its problem types are.
bj::object responses() {
    std::map<int, bj::object> examples;
    std::map<int, std::string> texts;
    for (const http::problem_type* type : refusals) {
        const std::string uri = fmt::format("urn:lethe:problem:{}", type->slug);
        examples[type->status][type->slug] = bj::object{
            {"value", bj::object{{"type", uri}, {"title", type->title}, {"status", type->status}}}};
        std::string& text = texts[type->status];
        if (!text.empty()) text += "; ";
        text += fmt::format("{} ({})", type->title, uri);
    }
    bj::object out;
    for (const auto& [status, text] : texts) {
        bj::object content{{"schema", bj::object{{"$ref", "#/components/schemas/Problem"}}},
                           {"examples", examples[status]}};
        bj::object response{{"description", text},
                            {"content", bj::object{{"application/problem+json", content}}}};
        if (status == 409 || status == 503)
            response["headers"] = bj::object{
                {"Retry-After", bj::object{{"schema", bj::object{{"type", "integer"}}}}}};
        out[response_name(status)] = std::move(response);
    }
    return out;
}

bj::object header(std::string_view description, std::string_view example) {
    return {{"description", description},
            {"schema", bj::object{{"type", "string"}}},
            {"example", example}};
}

bj::object headers() {
    return {{"IdempotentReplayed",
             header("Marks an answer that was kept from the first request", "true")},
            {"IdempotencyKey", header("The key, as it was sent with the replayed request",
                                      "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"")},
            {"LetheOriginalDate",
             header("When the replayed answer was recorded", "Tue, 24 Nov 2026 12:00:00 GMT")},
            {"LetheOutcome", header("unknown: nobody knows whether the request ran", "unknown")}};
}

bj::object key_parameter(const idempotency::route_options& rules) {
    bj::object schema{{"type", "string"}};
    if (rules.format == idempotency::key_format::uuid)
        schema["format"] = "uuid";
    else
        schema["maxLength"] = 255;
    std::string text = fmt::format(
        "A new key for each new request, the same key and the same bytes for its retries. "
        "{}Remembered for {} s after the answer.",
        rules.strict ? "In double quotes (a Structured Fields string). " : "",
        std::chrono::duration_cast<std::chrono::seconds>(rules.ttl).count());
    bj::object out{{"name", "Idempotency-Key"},
                   {"in", "header"},
                   {"required", rules.mode == idempotency::key_mode::required},
                   {"description", text},
                   {"schema", std::move(schema)},
                   {"example", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\""}};
    return out;
}

bj::object operation(const idempotency::route_options& rules) {
    const auto header_ref = [](std::string_view name) {
        return bj::object{{"$ref", fmt::format("#/components/headers/{}", name)}};
    };
    bj::object answers;
    answers["2XX"] =
        bj::object{{"description", "The service's answer, of this request or a replay"},
                   {"headers", bj::object{{"Idempotent-Replayed", header_ref("IdempotentReplayed")},
                                          {"Idempotency-Key", header_ref("IdempotencyKey")},
                                          {"Lethe-Original-Date", header_ref("LetheOriginalDate")},
                                          {"Lethe-Outcome", header_ref("LetheOutcome")}}}};
    for (const http::problem_type* type : refusals)
        answers[std::to_string(type->status)] = bj::object{
            {"$ref", fmt::format("#/components/responses/{}", response_name(type->status))}};
    return {{"parameters", bj::array{key_parameter(rules)}}, {"responses", std::move(answers)}};
}

bool takes_key(std::string_view method, const idempotency::route_options& rules) {
    return method == "POST" || method == "PATCH" || (method == "PUT" && rules.put) ||
           (method == "DELETE" && rules.delete_);
}

void add_route(bj::object& paths, const config::route_options& route) {
    const idempotency::route_options& rules = route.idempotency->rules;
    const bool exact = route.match.path.has_value();
    const std::string path = exact ? *route.match.path : route.match.prefix.value_or("/");
    bj::object item;
    const auto& wanted = route.match.methods;
    for (const std::string_view method : {"POST", "PATCH", "PUT", "DELETE"})
        if (takes_key(method, rules) &&
            (wanted.empty() || std::ranges::find(wanted, method) != wanted.end()))
            item[to_lower(method)] = operation(rules);
    if (item.empty()) return;
    // OpenAPI has no word for "and all below it".
    if (!exact) item["x-lethe-match"] = "prefix";
    bj::value& there = paths[path];
    if (!there.is_object()) there = bj::object{};
    // The first route that matches answers.
    for (auto& [name, value] : item)
        if (!there.get_object().contains(name)) there.get_object()[name] = value;
}

}  // namespace

std::string to_openapi(const config::configuration& of) {
    bj::object paths;
    for (const config::route_options& route : of.routes)
        if (route.idempotency) add_route(paths, route);
    const bj::object document{
        {"openapi", "3.1.0"},
        {"info", bj::object{{"title", "What lethe adds to this API"}, {"version", "1"}}},
        {"paths", std::move(paths)},
        {"components", bj::object{{"schemas", bj::object{{"Problem", problem_schema()}}},
                                  {"headers", headers()},
                                  {"responses", responses()}}}};
    return json::to_indented_text(document);
}

}  // namespace lethe::gateway
