// Operations as commands, and replies as answers. No sockets.
#pragma once

#include "store/redis/record.hpp"
#include "store/redis/refusal.hpp"
#include "store/redis/resp.hpp"
#include "store/store.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::store::redis {

// A new version for each operation that puts, drawn once however often they are sent.
[[nodiscard]] record_version draw_version(const operation& any, version_source& from);
[[nodiscard]] std::vector<record_version> draw_versions(std::span<const operation> operations,
                                                        version_source& from);

// One command, one reply.
void append_operation(std::string& to, const operation& any, record_version fresh,
                      const key_names& names);
// The same in a cluster, where a subject's set is on another node.
struct far_index {
    // put: the last moment at which it may be done, milliseconds; 0: any.
    std::int64_t last_moment = 0;
    // touch: the subject whose set outlives the record; the reply tells the record's own when it is
    // another (read_other_subject).
    std::string subject = {};
};
void append_far_operation(std::string& to, const operation& any, record_version fresh,
                          const key_names& names, const far_index& index);
// What a far touch answered instead of being done; nullptr: it was done or refused.
[[nodiscard]] const std::string_view* read_other_subject(const resp::value& reply) noexcept;

[[nodiscard]] const std::string& key_of(const operation& any) noexcept;
[[nodiscard]] inline bool changes(const operation& any) noexcept {
    return !std::holds_alternative<get>(any);
}
void append_transaction(std::string& to, std::span<const operation> operations,
                        std::span<const record_version> fresh, const key_names& names);

// What a reply says about an operation. errc::corrupt when it is none that could be.
[[nodiscard]] result<answer> read_answer(const operation& any, record_version fresh,
                                         const resp::value& reply);

// What became of a call.
struct outcome {
    std::vector<answer> answers;  // where there is no error
    error_code error;
    remedy helps = remedy::none;
    // Nothing was changed, so the whole call may be made again.
    bool nothing_changed = true;
    std::string_view reason;  // of the first error; views the reply
};
// One reply for each operation: an error of one concerns the call.
[[nodiscard]] outcome read_batch(std::span<const operation> operations,
                                 std::span<const record_version> fresh,
                                 std::span<const resp::value> replies);
[[nodiscard]] outcome read_transaction(std::span<const operation> operations,
                                       std::span<const record_version> fresh,
                                       const resp::value& reply);

// A read changes nothing, so that losing its answer leaves nothing unknown.
[[nodiscard]] error_code as_read(const error_code& error, bool past_deadline) noexcept;

}  // namespace lethe::store::redis
