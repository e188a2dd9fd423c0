// The index of a subject's records in a cluster, where a set is on another node than most records
// that it names. Commands and replies without sockets.
//
// A record is named before it is put, and a name goes only after its record was found gone, so a
// live record is never without its name:
//
//     gateway A            node of the set                 node of the record
//     put   ── index_add ──> name, moment = now + 10 min
//           <── its time t ──
//           ── put, not after t + 1 min ─────────────────> record
//     gateway B, later, when the moment is over
//           <── name, moment ──
//           ── is it there? ──────────────────────────────> no
//           ── index_settle ──> removed, if the moment is still that one
//
// This holds while the clocks of the nodes differ by less than nine minutes.
#pragma once

#include "store/redis/record.hpp"
#include "store/redis/resp.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::store::redis {

// The two sorted sets of a subject, which are on one node.
struct index_keys {
    std::string names;    // all with score 0
    std::string moments;  // the same names; scored by when their records may be looked after
};
[[nodiscard]] index_keys far_keys_of(std::string_view subject, const key_names& names);
// Those of a set of names that a scan found; the subject, too.
[[nodiscard]] index_keys far_keys_of_set(std::string_view set);
[[nodiscard]] std::string subject_of_set(std::string_view set, const key_names& names);
// The pattern of SCAN for the sets of names.
[[nodiscard]] std::string far_sets_pattern(const key_names& names);

struct due_name {
    std::string name;
    std::string moment;
};
struct added_name {
    std::int64_t time = 0;  // of the node of the set
    std::vector<due_name> due;
};

[[nodiscard]] std::string index_add_command(const index_keys& keys, std::string_view name,
                                            std::chrono::milliseconds ttl);
[[nodiscard]] std::string index_prolong_command(const index_keys& keys,
                                                std::chrono::milliseconds ttl);
[[nodiscard]] std::string index_due_command(const index_keys& keys, std::size_t count);
[[nodiscard]] std::string index_page_command(const index_keys& keys, std::string_view first,
                                             std::string_view end, std::size_t count);
// The front of a record: whether it lives, and whose it is.
[[nodiscard]] std::string front_command(std::string_view key, const key_names& names);

[[nodiscard]] result<added_name> read_added_name(const resp::value& reply);
[[nodiscard]] result<std::vector<due_name>> read_due_names(const resp::value& reply);

// The reply of front_command, without the value; nullopt: it is gone.
[[nodiscard]] result<std::optional<record>> read_front(const resp::value& front);

// What was found out about names: for each its moment then and its next one, "" when its record is
// gone or another's.
class settlement {
 public:
    // `front`: the reply of front_command.
    [[nodiscard]] result<> add(const due_name& one, const resp::value& front,
                               std::string_view subject);
    [[nodiscard]] bool empty() const noexcept { return words_.empty(); }
    [[nodiscard]] std::string command(const index_keys& keys) const;

 private:
    std::vector<std::string> words_;
};

}  // namespace lethe::store::redis
