// Tokens that were verified a moment ago, so that each need not be verified again for every
// request.
#pragma once

#include "base/clock.hpp"
#include "token/claims.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

// OpenSSL's EVP_MD_CTX.
struct evp_md_ctx_st;

namespace lethe::token {

using digest = std::array<unsigned char, 32>;
// SHA-256 of tokens. One worker; its context is used again for each.
class digester {
 public:
    digester();
    digester(const digester&) = delete;
    digester& operator=(const digester&) = delete;
    ~digester();

    [[nodiscard]] digest operator()(std::string_view token) noexcept;

 private:
    evp_md_ctx_st* context_;
};
// The same for a single token.
[[nodiscard]] digest digest_of(std::string_view token);
// The first 8 bytes in hexadecimal digits: names a token in a log without telling it.
[[nodiscard]] std::string fingerprint(const digest& of);

// All of it is compared, always: what one issuer's policy let through says nothing about another's.
struct cache_key {
    digest token{};
    std::uint32_t provider = 0;  // which issuer's policy and keys verified it

    bool operator==(const cache_key&) const = default;
};

// One worker. Holds only tokens that were good; whoever finds one must still check its times and
// the route's own rules.
class cache {
 public:
    struct options {
        std::size_t bytes_max = 8 * 1024 * 1024;
        std::chrono::seconds ttl{300};
    };
    struct counts {
        std::uint64_t evictions = 0;
    };

    explicit cache(options bounds) : bounds_(bounds) {}

    // Null when there is none of that generation and age. Valid until the next call of put() or
    // clear().
    [[nodiscard]] std::shared_ptr<const claims> find(const cache_key& key, std::uint64_t generation,
                                                     steady_time now);
    void put(const cache_key& key, std::uint64_t generation, steady_time now,
             std::shared_ptr<const claims> verified);
    void clear() noexcept;

    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::size_t size() const noexcept { return index_.size(); }
    [[nodiscard]] counts counted() const noexcept { return counts_; }

 private:
    struct entry {
        cache_key key;
        std::uint64_t generation = 0;
        steady_time until{};
        std::size_t bytes = 0;
        std::shared_ptr<const claims> value;  // null: the slot is free
        bool used = false;                    // since the hand last came by
    };
    struct key_hash {
        std::size_t operator()(const cache_key& key) const noexcept;
    };

    void drop(std::uint32_t slot) noexcept;
    void make_room(std::size_t bytes);

    options bounds_;
    std::unordered_map<cache_key, std::uint32_t, key_hash> index_;
    std::vector<entry> slots_;
    std::vector<std::uint32_t> free_;
    std::size_t hand_ = 0;
    std::size_t bytes_ = 0;
    counts counts_;
};

}  // namespace lethe::token
