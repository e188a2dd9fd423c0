#include "limits/client_table.hpp"

#include <sodium/crypto_shorthash.h>

#include <algorithm>
#include <bit>

namespace lethe::limits {
namespace {

using std::chrono::microseconds;

constexpr unsigned time_bits = 48;  // microseconds: nine years
constexpr std::uint64_t time_mask = (std::uint64_t{1} << time_bits) - 1;

std::uint64_t mark_of(std::uint64_t word) {
    return word >> time_bits;
}
std::uint64_t time_of(std::uint64_t word) {
    return word & time_mask;
}
nanoseconds since_start(steady_time at) {
    return std::chrono::duration_cast<nanoseconds>(at.time_since_epoch());
}
std::uint64_t to_word(std::uint64_t mark, nanoseconds tat) {
    const auto whole = std::chrono::ceil<microseconds>(std::max(tat, nanoseconds(0)));
    return mark << time_bits | (static_cast<std::uint64_t>(whole.count()) & time_mask);
}
nanoseconds to_tat(std::uint64_t word) {
    return microseconds(static_cast<std::int64_t>(time_of(word)));
}

}  // namespace

client_table::client_table(std::uint32_t clients_max, random_source& random)
    : buckets_count_(
          std::bit_ceil(std::max<std::size_t>(clients_max, words_per_bucket) / words_per_bucket)),
      buckets_(std::make_unique<bucket[]>(buckets_count_)) {
    static_assert(std::tuple_size_v<decltype(key_)> == crypto_shorthash_KEYBYTES);
    random.fill(key_);
}

// SipHash-2-4.
std::uint64_t client_table::hash(std::string_view client) const noexcept {
    std::array<unsigned char, crypto_shorthash_BYTES> out;
    crypto_shorthash(out.data(), reinterpret_cast<const unsigned char*>(client.data()),
                     client.size(), key_.data());
    return std::bit_cast<std::uint64_t>(out);
}

// The client's own word, else the first free one, else that of the client that owes least.
client_table::spot client_table::find(std::uint64_t hash, std::uint64_t now) const noexcept {
    bucket& in = buckets_[hash & (buckets_count_ - 1)];
    const std::uint64_t mark = mark_of(hash);
    spot best;
    for (std::atomic<std::uint64_t>& word : in.words) {
        const std::uint64_t seen = word.load(std::memory_order_relaxed);
        const bool is_free = time_of(seen) <= now;
        if (!is_free && mark_of(seen) == mark)
            return {.at = &word, .seen = seen, .is_own = true, .is_free = false};
        if (best.at == nullptr ||
            (!best.is_free && (is_free || time_of(seen) < time_of(best.seen))))
            best = {.at = &word, .seen = seen, .is_own = false, .is_free = is_free};
    }
    return best;
}

// A swap fails only where another worker has just changed the word, so somebody always gets on.
client_table::taken client_table::take(std::string_view client, const pace& by,
                                       steady_time now) noexcept {
    const std::uint64_t hashed = hash(client);
    const nanoseconds at = since_start(now);
    const auto whole = static_cast<std::uint64_t>(at / microseconds(1));
    while (true) {
        const spot place = find(hashed, whole);
        taken out{.what = decide(by, place.is_own ? to_tat(place.seen) : nanoseconds(0), at),
                  .displaced = !place.is_own && !place.is_free};
        if (!out.what.admitted) return out;
        std::uint64_t seen = place.seen;
        if (place.at->compare_exchange_weak(seen, to_word(mark_of(hashed), out.what.tat),
                                            std::memory_order_relaxed))
            return out;
    }
}

void client_table::give_back(std::string_view client, const pace& by, steady_time now) noexcept {
    const std::uint64_t hashed = hash(client);
    const auto whole = static_cast<std::uint64_t>(since_start(now) / microseconds(1));
    while (true) {
        const spot place = find(hashed, whole);
        if (!place.is_own) return;
        std::uint64_t seen = place.seen;
        const std::uint64_t less = to_word(mark_of(hashed), without_one(by, to_tat(seen)));
        if (place.at->compare_exchange_weak(seen, less, std::memory_order_relaxed)) return;
    }
}

}  // namespace lethe::limits
