// Sealed sessions that are over before their time: per subject, those from before an instant. Kept
// in the store; a session in cookies alone cannot be ended otherwise.
#pragma once

#include "base/clock.hpp"
#include "store/store.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <unordered_map>

namespace lethe::session {

// "r:" and SHA-256 of the subject: the record outlives that the person is forgotten.
[[nodiscard]] std::string revocation_key(std::string_view subject);

// Ends the subject's sealed sessions that began up to now; `keep_for`: how long such a session
// could live. Calling again is safe.
[[nodiscard]] task<> revoke_sealed(store::store& in, clock& time, std::string subject,
                                   std::chrono::milliseconds keep_for, steady_time deadline);

// One per worker and store. Asks the store about a subject at most once in `delay`.
class revocations {
 public:
    revocations(store::store& in, clock& time, std::chrono::milliseconds delay)
        : store_(in), clock_(time), delay_(delay) {}

    enum class standing : std::uint8_t { valid, revoked };
    // Of a session of that subject that began then. Errors: the store's; errc::corrupt.
    [[nodiscard]] task<standing> judge(std::string subject, system_time began,
                                       steady_time deadline);

 private:
    struct known {
        system_time valid_after{};
        steady_time asked{};
    };
    static constexpr std::size_t known_max = 10'000;

    store::store& store_;
    clock& clock_;
    const std::chrono::milliseconds delay_;
    std::unordered_map<std::string, known> known_;
};

}  // namespace lethe::session
