// The tables that the store keeps its records in, and how they come into a database.
//
// Versions of the schema go up by one with each change; a migration step leads from each to the
// next. Every step must leave gateways of the version before at work, as they run beside it.
#pragma once

#include "store/postgres/connection.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <string>

namespace lethe::store::postgres {

inline constexpr std::uint32_t schema_version = 1;

// `"lethe".lethe_records`
[[nodiscard]] std::string records_table(const std::string& schema);

// What stands in the database; 0: nothing. Errors: unavailable, with `why`.
[[nodiscard]] task<std::uint32_t> read_schema_version(connection& on, std::string schema,
                                                      steady_time deadline, failure& why);

// Under an advisory lock, so that of several gateways one does it and the others wait for it. On
// failure nothing was changed and `why` is a sentence for a person.
[[nodiscard]] task<migration> migrate(connection& on, std::string schema, steady_time deadline,
                                      std::string& why);

// What to tell when a database of version `found` cannot be used as it is; "" when it can.
[[nodiscard]] std::string schema_complaint(std::uint32_t found);

}  // namespace lethe::store::postgres
