// What the clients of one limit have used up, in memory of a fixed size that all workers share.
//
// The connections of one client reach several workers, so none of them can count alone. Workers
// share this table without a lock: a client is one 64-bit word, changed by one compare-and-swap.
// The word holds 16 bits of the client's keyed hash and its GCRA time in microseconds; the hash's
// other bits choose a bucket of 8 words, which is one cache line. A word whose time has passed is
// free, so only clients that came lately take up room.
//
// What the fixed size costs:
// - Two clients of equal bits count as one: with a full table 1 client in 8,000 shares a word with
//   another. The hash is keyed by a secret of the process, so nobody can choose whom to meet.
// - Where a bucket has no free word, the client that owes least is forgotten and begins with a
//   whole burst when it comes back (`displaced`). Who sends from ever more addresses gains that;
//   those who owe most are not forgotten.
// - Times are kept in whole microseconds, rounded up: at 100,000/s up to a tenth too strict.
#pragma once

#include "base/clock.hpp"
#include "base/random.hpp"
#include "limits/gcra.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

namespace lethe::limits {

// Any worker, at the same time.
class client_table {
 public:
    // Room for that many clients, rounded up to a power of two.
    client_table(std::uint32_t clients_max, random_source& random);
    client_table(const client_table&) = delete;
    client_table& operator=(const client_table&) = delete;

    struct taken {
        verdict what;
        bool displaced = false;  // another client was forgotten for this one
    };
    // Counts one request of the client, if the limit admits it.
    [[nodiscard]] taken take(std::string_view client, const pace& by, steady_time now) noexcept;
    // Another limit refused the request that take() admitted: here it does not count.
    void give_back(std::string_view client, const pace& by, steady_time now) noexcept;

    [[nodiscard]] std::size_t clients_max() const noexcept {
        return buckets_count_ * words_per_bucket;
    }

 private:
    static constexpr std::size_t words_per_bucket = 8;
    struct alignas(64) bucket {
        std::array<std::atomic<std::uint64_t>, words_per_bucket> words{};
    };
    // Where a client stands, or would.
    struct spot {
        std::atomic<std::uint64_t>* at = nullptr;
        std::uint64_t seen = 0;
        bool is_own = false;
        bool is_free = false;
    };

    [[nodiscard]] std::uint64_t hash(std::string_view client) const noexcept;
    [[nodiscard]] spot find(std::uint64_t hash, std::uint64_t now) const noexcept;

    std::size_t buckets_count_;
    std::unique_ptr<bucket[]> buckets_;
    std::array<unsigned char, 16> key_;
};

}  // namespace lethe::limits
