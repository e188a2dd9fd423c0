// A GraphQL request over HTTP (graphql-over-http draft): JSON with query, operationName, variables
// and extensions, or the bare document as application/graphql.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lethe::idempotency {

struct graphql_request {
    // False: it certainly is a query or a subscription. Whatever cannot be read, also a persisted
    // document that only the service knows, may be a mutation.
    bool may_mutate = true;
    bool batch = false;  // an array of requests
    // From the directive @idempotent(key: …) of the operation, or extensions.idempotencyKey. In a
    // batch: of any of its requests.
    std::optional<std::string> key;
    // Two keys that differ, or one that is no string.
    bool key_unclear = false;
    // 32 bytes, equal for requests that say the same: document without white space and comments,
    // operation, variables. Extensions do not count. Empty: cannot be read, the bytes count.
    std::string digest;
};

[[nodiscard]] graphql_request read_graphql(std::string_view content_type, std::string_view body);

}  // namespace lethe::idempotency
