// What a PostgreSQL server promises as it is set up now, and what to change.
#pragma once

#include "store/postgres/connection.hpp"
#include "store/postgres/url.hpp"
#include "store/store.hpp"

namespace lethe::store::postgres {

// Needs no tables, and says so where they are missing. A connection that is no pipeline yet.
[[nodiscard]] task<examination> look_at(connection& on, const settings& to, steady_time deadline);

}  // namespace lethe::store::postgres
