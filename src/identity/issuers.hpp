// The issuers that are trusted: loaded once for the process, then one table of verifiers per
// worker.
#pragma once

#include "identity/metrics.hpp"
#include "identity/options.hpp"
#include "token/cache.hpp"
#include "token/key_set.hpp"
#include "token/verifier.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::identity {

// An issuer and its keys. A value that all workers share.
struct trusted_issuer {
    issuer_options options;
    // Null: no keys were ever loaded, so nobody can tell a good token from a bad one (503, never
    // 401).
    std::shared_ptr<const token::key_set> keys;
};

struct loaded_issuers {
    std::vector<trusted_issuer>
        issuers;                        // in the given order; without keys where there is a problem
    std::vector<std::string> problems;  // with any of these, do not start
    std::vector<std::string> warnings;
};
// Reads every key file: blocks. The options have passed check().
[[nodiscard]] loaded_issuers load_issuers(std::span<const issuer_options> options);

[[nodiscard]] token::policy to_policy(const issuer_options& options);

// What was found out about one token.
struct verdict {
    std::shared_ptr<const token::claims> claims;  // the verified ones; null when refused
    token::errc reason = token::errc::unknown_issuer;
    bool undecided = false;  // its issuer has no keys
};

// One worker; outlives the filters that use it.
class issuer_table {
 public:
    issuer_table(std::span<const trusted_issuer> issuers, lethe::metrics::registry& registry,
                 token::cache::options cache = {});
    issuer_table(const issuer_table&) = delete;
    issuer_table& operator=(const issuer_table&) = delete;

    [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const noexcept;

    // By the issuers at those indices only: the unverified `iss` chooses among them (rule J14).
    [[nodiscard]] verdict verify(std::string_view token, std::span<const std::size_t> allowed,
                                 const clock& time);

    // New keys for one issuer, from the next token on.
    void replace_keys(std::size_t index, std::shared_ptr<const token::key_set> keys);

    [[nodiscard]] metrics& counters() noexcept { return metrics_; }
    // Whether another refusal may be logged in this second: a flood of bad tokens must not be one
    // of lines.
    [[nodiscard]] bool may_log(steady_time now) noexcept;

 private:
    struct row {
        issuer_options options;
        std::optional<token::verifier> verifier;  // none without keys
    };

    // nullopt: not in the cache.
    [[nodiscard]] std::optional<verdict> find_cached(const token::digest& digest,
                                                     std::span<const std::size_t> allowed,
                                                     const clock& time);
    [[nodiscard]] verdict verify_parsed(const token::digest& digest,
                                        std::span<const std::size_t> allowed, const clock& time);

    std::vector<row> rows_;
    token::digester digester_;
    token::cache cache_;
    metrics metrics_;
    token::unverified scratch_;  // its memory is used again for the next token
    steady_time log_second_{};
    unsigned logged_ = 0;
};

}  // namespace lethe::identity
