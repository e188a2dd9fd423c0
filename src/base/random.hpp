// Random numbers, through a seam: secrets come from the system, tests and simulations from a seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace lethe {

class random_source {
 public:
    virtual ~random_source() = default;
    virtual void fill(std::span<unsigned char> out) = 0;

    [[nodiscard]] std::string bytes(std::size_t count);
    // Uniform in [0, bound); bound > 0.
    [[nodiscard]] std::uint64_t below(std::uint64_t bound);
};

// Cryptographically strong (getrandom by way of libsodium). Stateless: any thread.
[[nodiscard]] std::unique_ptr<random_source> make_secure_random();
// As strong, for who draws often and a little: a ChaCha20 stream whose key comes from the system,
// in pieces that are made ahead; each piece brings the key of the next. One thread.
[[nodiscard]] std::unique_ptr<random_source> make_buffered_random();
// Repeatable; never for secrets outside tests.
[[nodiscard]] std::unique_ptr<random_source> make_seeded_random(std::uint64_t seed);

}  // namespace lethe
