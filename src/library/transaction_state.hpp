// What stands behind a transaction of the public API.
#pragma once

#include "base/error.hpp"
#include "library/sql_connection.hpp"

namespace lethe {
inline namespace v1 {
namespace internal {

struct transaction_state {
    library::sql_connection& on;
    error_code failure = {};  // of the first statement that failed
};

}  // namespace internal
}  // namespace v1
}  // namespace lethe
