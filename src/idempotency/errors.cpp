#include "idempotency/errors.hpp"

namespace lethe::idempotency {
namespace {

const boost::system::error_category& category() noexcept {
    static constexpr error_row rows[] = {
        {int(errc::key_malformed), "the idempotency key cannot be read", condition::malformed},
        {int(errc::key_too_long), "the idempotency key is too long", condition::malformed},
        {int(errc::key_not_quoted), "the idempotency key is not quoted", condition::malformed},
        {int(errc::key_not_uuid), "the idempotency key is not a UUID", condition::malformed},
        {int(errc::record_corrupt), "the record is not what lethe writes", condition::corrupt},
        {int(errc::fenced), "another claim holds the key", condition::conflict},
        {int(errc::lost), "the record is gone", condition::not_found},
        {int(errc::contended), "the record changes too often", condition::overloaded},
        {int(errc::path_malformed), "the JSONPath cannot be read", condition::malformed},
        {int(errc::graphql_malformed), "the GraphQL request cannot be read", condition::malformed},
        {int(errc::graphql_too_large), "the GraphQL document is too large", condition::too_large},
    };
    static const table_category instance{"lethe.idempotency", rows};
    return instance;
}

}  // namespace

error_code make_error_code(errc e) noexcept {
    return {static_cast<int>(e), category()};
}

}  // namespace lethe::idempotency
