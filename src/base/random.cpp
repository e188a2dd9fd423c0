#include "base/random.hpp"

#include "base/error.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <random>

namespace lethe {
namespace {

class secure_random final : public random_source {
 public:
    secure_random() { LETHE_ASSERT(sodium_init() >= 0); }
    void fill(std::span<unsigned char> out) override { randombytes_buf(out.data(), out.size()); }
};

class buffered_random final : public random_source {
 public:
    buffered_random() {
        LETHE_ASSERT(sodium_init() >= 0);
        randombytes_buf(piece_.data(), key_bytes);
    }
    ~buffered_random() override { sodium_memzero(piece_.data(), piece_.size()); }
    buffered_random(const buffered_random&) = delete;
    buffered_random& operator=(const buffered_random&) = delete;

    void fill(std::span<unsigned char> out) override {
        while (!out.empty()) {
            if (used_ == piece_.size()) refill();
            const std::size_t count = std::min(out.size(), piece_.size() - used_);
            std::copy_n(piece_.begin() + static_cast<std::ptrdiff_t>(used_), count, out.begin());
            // What was given is nowhere any more.
            std::fill_n(piece_.begin() + static_cast<std::ptrdiff_t>(used_), count, 0);
            used_ += count;
            out = out.subspan(count);
        }
    }

 private:
    static constexpr std::size_t key_bytes = crypto_stream_chacha20_KEYBYTES;

    void refill() {
        static constexpr unsigned char nonce[crypto_stream_chacha20_NONCEBYTES] = {};
        unsigned char key[key_bytes];
        std::copy_n(piece_.begin(), key_bytes, key);
        crypto_stream_chacha20(piece_.data(), piece_.size(), nonce, key);
        sodium_memzero(key, sizeof key);
        used_ = key_bytes;
    }

    std::array<unsigned char, 4096> piece_{};  // begins with the next key
    std::size_t used_ = piece_.size();
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
std::unique_ptr<random_source> make_buffered_random() {
    return std::make_unique<buffered_random>();
}
std::unique_ptr<random_source> make_seeded_random(std::uint64_t seed) {
    return std::make_unique<seeded_random>(seed);
}

}  // namespace lethe
