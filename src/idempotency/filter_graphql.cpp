// What the filter does on a route that carries GraphQL.
#include "base/bytes.hpp"
#include "idempotency/body_digest.hpp"
#include "idempotency/filter.hpp"
#include "idempotency/key.hpp"
#include "idempotency/problems.hpp"

#include <utility>

namespace lethe::idempotency {

using http::field_id;

// Only mutations take a key; what cannot be read is taken for one, since the service may read it.
task<> filter::handle_graphql(http::exchange& x, http::next rest) {
    const result<read_body> body = co_await take_body(x);
    if (body.has_error()) co_return body.error();
    if (body->refused) co_return result<>{};
    const std::string_view content_type =
        x.request.header.first(field_id::content_type).value_or("");
    // One that is too large for memory is not read: it may be a mutation.
    graphql_request asked;
    if (body->whole) asked = read_graphql(content_type, *body->whole);
    const bool has_key = asked.key || x.request.header.count(field_id::idempotency_key) > 0;
    if (!asked.may_mutate ||
        (!has_key && !asked.key_unclear && options_.mode == key_mode::optional)) {
        metrics_.unkeyed.add();
        co_return co_await pass(x, rest, false);
    }
    std::optional<std::string> key = key_of_graphql(x, asked);
    if (!key) co_return result<>{};
    std::optional<std::string> caller = caller_of(x);
    if (!caller) co_return result<>{};
    if (asked.digest.empty())
        asked.digest = digest_of_bytes(body->whole ? sha256(*body->whole) : body->sha256);
    co_return co_await run_keyed(x, rest, *std::move(key), *std::move(caller),
                                 std::move(asked.digest));
}

// From the header, the directive or the extensions; where there are several, they must agree.
std::optional<std::string> filter::key_of_graphql(http::exchange& x, const graphql_request& asked) {
    if (asked.batch && options_.graphql_batch == batch_rule::refuse) {
        metrics_.malformed.add();
        refuse(x, problems::batch_refused, "Send each mutation in a request of its own.");
        return std::nullopt;
    }
    if (!asked.key_unclear) {
        if (!asked.key) return read_key(x);
        std::optional<std::string> of_document = take_key(x, sf_string(*asked.key));
        if (!of_document || x.request.header.count(field_id::idempotency_key) == 0)
            return of_document;
        std::optional<std::string> of_header = read_key(x);
        if (!of_header || of_header == of_document) return of_header;
    }
    metrics_.malformed.add();
    refuse(x, problems::key_malformed,
           "Header, @idempotent and extensions.idempotencyKey must name one and the same key.");
    return std::nullopt;
}

}  // namespace lethe::idempotency
