#include "idempotency/graphql_request.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "idempotency/body_digest.hpp"
#include "idempotency/graphql.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>

namespace lethe::idempotency {
namespace {

namespace bj = boost::json;

constexpr json::limits body_limits{.bytes_max = 64UL * 1024 * 1024, .depth_max = 128};

std::string_view text_of(const bj::value* value) {
    const auto* text = value != nullptr ? value->if_string() : nullptr;
    return text != nullptr ? std::string_view(text->data(), text->size()) : std::string_view{};
}

void take_key(graphql_request& into, std::string_view key) {
    if (into.key && *into.key != key) into.key_unclear = true;
    into.key = key;
}

void take_keys(graphql_request& into, const graphql::operation& of, const bj::object& variables) {
    for (const graphql::key_argument& one : of.keys) {
        if (!one.is_variable) {
            take_key(into, one.text);
            continue;
        }
        const bj::value* value = variables.if_contains(one.text);
        if (value != nullptr && value->is_string())
            take_key(into, text_of(value));
        else if (value != nullptr && !value->is_null())
            into.key_unclear = true;
    }
}

// The operation that the service will run; null where it will refuse, or nobody can say.
const graphql::operation* chosen(const graphql::document& in, std::string_view name) {
    if (name.empty()) return in.operations.size() == 1 ? &in.operations.front() : nullptr;
    const auto found = std::ranges::find(in.operations, name, &graphql::operation::name);
    return found != in.operations.end() ? &*found : nullptr;
}

graphql_request read_document(std::string_view text, std::string_view operation_name,
                              const bj::object& variables) {
    graphql_request out;
    const result<graphql::document> document = graphql::parse_document(text);
    if (document.has_error()) return out;
    const graphql::operation* runs = chosen(*document, operation_name);
    const auto mutates = [](const graphql::operation& one) {
        return one.kind == graphql::operation_kind::mutation;
    };
    out.may_mutate =
        runs != nullptr ? mutates(*runs) : std::ranges::any_of(document->operations, mutates);
    if (runs != nullptr) take_keys(out, *runs, variables);
    out.digest = sha256_of_parts(
        {"g", document->normalised, operation_name, json::canonical_text(bj::value(variables))});
    return out;
}

void take_extension(graphql_request& into, const bj::object& extensions) {
    const bj::value* key = extensions.if_contains("idempotencyKey");
    if (key == nullptr || key->is_null()) return;
    if (key->is_string())
        take_key(into, text_of(key));
    else
        into.key_unclear = true;
}

graphql_request read_object(const bj::object& request) {
    const auto object_at = [&](const char* name) {
        const bj::value* value = request.if_contains(name);
        const auto* object = value != nullptr ? value->if_object() : nullptr;
        return object != nullptr ? *object : bj::object{};
    };
    const bj::value* document = request.if_contains("query");
    const bj::object variables = object_at("variables");
    graphql_request out;
    if (document != nullptr && document->is_string()) {
        out = read_document(text_of(document), text_of(request.if_contains("operationName")),
                            variables);
    } else {
        // A persisted document: all members but what a client may change between retries.
        bj::object counted = request;
        counted.erase("extensions");
        out.digest =
            sha256_of_parts({"h", json::canonical_text(bj::value(counted)),
                             json::canonical_text(object_at("extensions")["persistedQuery"])});
    }
    take_extension(out, object_at("extensions"));
    return out;
}

graphql_request read_batch(const bj::array& requests) {
    graphql_request out;
    out.may_mutate = false;
    out.batch = true;
    std::string digests = "a";
    for (const bj::value& value : requests) {
        graphql_request one;
        if (const auto* object = value.if_object()) one = read_object(*object);
        out.may_mutate = out.may_mutate || one.may_mutate;
        out.key_unclear = out.key_unclear || one.key_unclear;
        if (one.key) take_key(out, *one.key);
        if (one.digest.empty()) one.digest = sha256_of_parts({"v", json::canonical_text(value)});
        digests += one.digest;
    }
    out.digest = sha256(digests);
    return out;
}

}  // namespace

graphql_request read_graphql(std::string_view content_type, std::string_view body) {
    const std::string media_type = media_type_of(content_type);
    if (media_type == "application/graphql") return read_document(body, {}, {});
    if (!is_json(media_type)) return {};
    const result<bj::value> value = json::parse(body, body_limits);
    if (value.has_error()) return {};
    if (const auto* object = value->if_object()) return read_object(*object);
    if (const auto* array = value->if_array()) return read_batch(*array);
    return {};
}

}  // namespace lethe::idempotency
