// Where a service keeps the outcomes of keyed requests: one table of its own database.
//
//     lethe_outcomes (id, subject, forget_at, record)
//
// `record` is what the gateway keeps for a key, too (idempotency/record.hpp): done with its answer,
// unknown, or released: only the highest attempt (the epoch) is remembered then. Times are
// milliseconds since 1970 by the service's clock.
#pragma once

#include "idempotency/record.hpp"
#include "library/database_parts.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace lethe::library {

// Makes the table where it is missing; once per process and database.
[[nodiscard]] result<> make_outcome_table(internal::database_parts& in);

struct kept_outcome {
    std::string id;       // 32 bytes
    std::string subject;  // "" for nobody
    system_time forget_at;
    idempotency::key_record record;
};

// Takes the key's lock, which the transaction then holds, and reads. Errors: sql_errc;
// condition::corrupt for a record that lethe did not write.
struct looked_up {
    lock_state lock = lock_state::taken;
    std::optional<kept_outcome> found;
};
[[nodiscard]] result<looked_up> look_up(sql_connection& on, const std::string& id);
[[nodiscard]] result<> keep(sql_connection& on, const kept_outcome& what);

// At most so many that nobody may ask for any more.
[[nodiscard]] result<std::size_t> forget_old(sql_connection& on, system_time now,
                                             std::int64_t count_max);
[[nodiscard]] result<std::size_t> erase_person(sql_connection& on, std::string_view subject);

}  // namespace lethe::library
