// The keys of a subject, in `shards` items on one server.
//
// A key is added before its record is written, so that no record is without its entry. An entry is
// never taken out because its record is gone: a put of the same key may be under way, which has
// found the entry there. It is dropped when its own time has passed, which is later than that of
// any record it was added for.
#pragma once

#include "store/memcached/parts.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace lethe::store::memcached {

// One worker.
class subject_index {
 public:
    explicit subject_index(parts& of) : parts_(of) {}

    // A listing finds the key until `expires` at least. Changes no record: the errors are those of
    // a step that changed nothing; too_large when the subject has too many keys.
    [[nodiscard]] task<> add(std::string_view subject, std::string_view key, system_time expires,
                             steady_time deadline);
    // Ascending: the keys that may have a record of this subject.
    [[nodiscard]] task<std::vector<std::string>> keys(std::string_view subject,
                                                      std::string_view key_prefix,
                                                      std::string_view after, steady_time deadline);

 private:
    parts& parts_;
};

}  // namespace lethe::store::memcached
