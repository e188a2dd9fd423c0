// What concerns all records of one subject: a person who wants to be forgotten.
#pragma once

#include "store/store.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace lethe::store {

// Called with the keys that were erased, page by page; for receipts.
using erased_keys = std::function<void(const std::vector<std::string>& keys)>;

// Erases every record of the subject whose key starts with `key_prefix`, until a listing finds
// none: what was put before the call is gone when it answers; what is put meanwhile may stay. A
// record that another subject takes over meanwhile is left alone. Answers how many it erased.
// After an error some may be erased; calling again is safe.
[[nodiscard]] task<std::size_t> erase_subject(store& in, std::string subject,
                                              std::string key_prefix, steady_time deadline,
                                              erased_keys tell = {});

}  // namespace lethe::store
