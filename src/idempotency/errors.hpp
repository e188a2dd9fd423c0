// What can go wrong with keys, records and claims.
#pragma once

#include "base/error.hpp"

namespace lethe::idempotency {

enum class errc {
    // Not a quoted string, and not a bare key either.
    key_malformed = 1,
    // More than 255 characters.
    key_too_long,
    // A bare key where the route takes only quoted ones.
    key_not_quoted,
    // Not a UUID where the route takes only those.
    key_not_uuid,
    // A record that lethe did not write, or of a version it does not know.
    record_corrupt,
    // Another claim holds the key now; what we know was not written.
    fenced,
    // The record is gone: expired, erased or evicted.
    lost,
    // The record changed under us again and again.
    contended,
    // Not a JSONPath, or one of its parts that are not taken here.
    path_malformed,
    // Not an executable GraphQL document, or not in the way that requests carry one.
    graphql_malformed,
    // A GraphQL document that is too large or too deep.
    graphql_too_large,
};
[[nodiscard]] error_code make_error_code(errc e) noexcept;

}  // namespace lethe::idempotency

template <>
struct boost::system::is_error_code_enum<lethe::idempotency::errc> : std::true_type {};
