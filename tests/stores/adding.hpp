// Writers that compete for the same records, in coroutines, threads and processes.
#pragma once

#include "store/store.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace lethe::store {

// Reads, changes and writes back with the version that was read, until it is done: the record
// becomes `change(value)`. Answers the first error.
[[nodiscard]] task<> change_record(store& to, std::string key,
                                   std::string (*change)(const std::string& value,
                                                         const std::string& by),
                                   std::string by, steady_time deadline);

// Counts a number up; "" is 0.
[[nodiscard]] std::string incremented(const std::string& value, const std::string& by);
// A line more.
[[nodiscard]] std::string with_line(const std::string& value, const std::string& line);

// `times` increments of `counter` and as many lines "NAME.0", "NAME.1"… more in `lines`.
[[nodiscard]] task<> add_some(store& to, std::string counter, std::string lines, std::string name,
                              int times, steady_time deadline);

}  // namespace lethe::store
