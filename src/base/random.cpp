#include "base/random.hpp"

#include "base/error.hpp"

#include <sodium.h>

#include <random>

namespace lethe {
namespace {

class secure_random final : public random_source {
 public:
    secure_random() { LETHE_ASSERT(sodium_init() >= 0); }
    void fill(std::span<unsigned char> out) override { randombytes_buf(out.data(), out.size()); }
};

class seeded_random final : public random_source {
 public:
    explicit seeded_random(std::uint64_t seed) : engine_(seed) {}
    void fill(std::span<unsigned char> out) override {
        for (unsigned char& byte : out) byte = static_cast<unsigned char>(engine_() & 0xff);
    }

 private:
    std::mt19937_64 engine_;
};

}  // namespace

std::string random_source::bytes(std::size_t count) {
    std::string out(count, '\0');
    fill({reinterpret_cast<unsigned char*>(out.data()), out.size()});
    return out;
}

std::uint64_t random_source::below(std::uint64_t bound) {
    LETHE_ASSERT(bound > 0);
    // Rejection keeps it uniform: values in the last, incomplete multiple of bound are drawn again.
    const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    while (true) {
        std::uint64_t value = 0;
        fill({reinterpret_cast<unsigned char*>(&value), sizeof value});
        if (value < limit) return value % bound;
    }
}

std::unique_ptr<random_source> make_secure_random() {
    return std::make_unique<secure_random>();
}
std::unique_ptr<random_source> make_seeded_random(std::uint64_t seed) {
    return std::make_unique<seeded_random>(seed);
}

}  // namespace lethe
