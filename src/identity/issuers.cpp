#include "identity/issuers.hpp"

#include "identity/key_file.hpp"

#include <algorithm>

namespace lethe::identity {

loaded_issuers load_issuers(std::span<const issuer_options> options) {
    loaded_issuers out;
    for (const issuer_options& one : options) {
        key_file file = read_issuer_keys(one);
        const std::string who = "issuer '" + one.name + "': ";
        if (!file.problem.empty()) out.problems.push_back(who + file.problem);
        for (const std::string& warning : file.warnings) out.warnings.push_back(who + warning);
        out.issuers.push_back({one, std::move(file.keys)});
    }
    return out;
}

token::policy to_policy(const issuer_options& o) {
    token::policy out;
    out.issuer = o.issuer;
    out.audiences = o.audience;
    out.audience_unchecked = o.audience_unchecked;
    out.algorithms = o.algorithms;
    out.type = o.type;
    out.skew = o.skew;
    out.lifetime_max = o.lifetime_max;
    out.token_bytes_max = o.token_bytes_max;
    out.refuse_key_headers = o.refuse_key_headers;
    return out;
}

issuer_table::issuer_table(std::span<const trusted_issuer> issuers,
                           lethe::metrics::registry& registry, token::cache::options cache)
    : cache_(cache), metrics_(registry) {
    for (const trusted_issuer& one : issuers) {
        rows_.push_back({one.options, std::nullopt});
        if (one.keys) rows_.back().verifier.emplace(to_policy(one.options), one.keys);
    }
}

std::optional<std::size_t> issuer_table::find(std::string_view name) const noexcept {
    for (std::size_t i = 0; i < rows_.size(); ++i)
        if (rows_[i].options.name == name) return i;
    return std::nullopt;
}

void issuer_table::replace_keys(std::size_t index, std::shared_ptr<const token::key_set> keys) {
    row& one = rows_.at(index);
    if (one.verifier)
        one.verifier->replace_keys(std::move(keys));
    else
        one.verifier.emplace(to_policy(one.options), std::move(keys));
}

std::optional<verdict> issuer_table::find_cached(const token::digest& digest,
                                                 std::span<const std::size_t> allowed,
                                                 const clock& time) {
    for (const std::size_t index : allowed) {
        const row& one = rows_[index];
        if (!one.verifier) continue;
        std::shared_ptr<const token::claims> known =
            cache_.find({digest, static_cast<std::uint32_t>(index)}, one.verifier->generation(),
                        time.steady_now());
        if (!known) continue;
        const result<> in_time = one.verifier->check_times(*known, time.system_now());
        if (in_time.has_error()) return verdict{nullptr, token::to_errc(in_time.error()), false};
        return verdict{std::move(known), {}, false};
    }
    return std::nullopt;
}

verdict issuer_table::verify_parsed(const token::digest& digest,
                                    std::span<const std::size_t> allowed, const clock& time) {
    verdict out;
    for (const std::size_t index : allowed) {
        row& one = rows_[index];
        if (scratch_.claims.issuer.empty() || scratch_.claims.issuer != one.options.issuer)
            continue;
        if (!one.verifier) {
            out.undecided = true;
            continue;
        }
        const result<> good = one.verifier->verify(scratch_, time.system_now());
        if (good.has_error()) {
            out.reason = token::to_errc(good.error());
            continue;
        }
        out.claims = std::make_shared<const token::claims>(std::move(scratch_.claims));
        out.undecided = false;
        cache_.put({digest, static_cast<std::uint32_t>(index)}, one.verifier->generation(),
                   time.steady_now(), out.claims);
        metrics_.cache_bytes.set(static_cast<std::int64_t>(cache_.bytes()));
        return out;
    }
    return out;
}

verdict issuer_table::verify(std::string_view token, std::span<const std::size_t> allowed,
                             const clock& time) {
    std::size_t bytes_max = 0;
    for (const std::size_t index : allowed)
        bytes_max = std::max(bytes_max, rows_[index].options.token_bytes_max);
    // J1: size before any work, hashing included.
    if (token.size() > bytes_max) return {nullptr, token::errc::too_large, false};
    const token::digest digest = digester_(token);
    if (std::optional<verdict> known = find_cached(digest, allowed, time)) {
        metrics_.cache_hits.add();
        return *std::move(known);
    }
    metrics_.cache_misses.add();
    const result<> parsed = token::parse_unverified(token, bytes_max, scratch_);
    if (parsed.has_error()) return {nullptr, token::to_errc(parsed.error()), false};
    return verify_parsed(digest, allowed, time);
}

bool issuer_table::may_log(steady_time now) noexcept {
    constexpr unsigned lines_per_second = 10;
    if (now - log_second_ >= std::chrono::seconds{1}) {
        log_second_ = now;
        logged_ = 0;
    }
    return logged_++ < lines_per_second;
}

}  // namespace lethe::identity
