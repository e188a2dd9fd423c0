#include "session/revocation.hpp"

#include "base/bytes.hpp"
#include "session/errors.hpp"

#include <algorithm>
#include <charconv>

namespace lethe::session {
namespace {

constexpr std::string_view format = "LR1 ";
constexpr int tries_max = 16;

std::string encode(system_time valid_after) {
    return std::string(format) + std::to_string(valid_after.time_since_epoch().count());
}

result<system_time> decode(std::string_view value) {
    std::int64_t count = 0;
    if (!value.starts_with(format)) return LETHE_ERR(errc::corrupt);
    value.remove_prefix(format.size());
    const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), count);
    if (failed != std::errc{} || end != value.data() + value.size())
        return LETHE_ERR(errc::corrupt);
    return system_time{std::chrono::milliseconds{count}};
}

task<system_time> read_valid_after(store::store& in, const std::string& subject,
                                   steady_time deadline) {
    const result<std::optional<store::record>> record =
        co_await in.read(revocation_key(subject), deadline);
    if (record.has_error()) co_return record.error();
    if (!*record) co_return system_time{};
    co_return decode((*record)->value);
}

}  // namespace

std::string revocation_key(std::string_view subject) {
    return "r:" + sha256(subject);
}

task<> revoke_sealed(store::store& in, clock& time, std::string subject,
                     std::chrono::milliseconds keep_for, steady_time deadline) {
    const system_time wanted = time.system_now();
    store::expectation expect = store::absent{};
    for (int i = 0; i < tries_max; ++i) {
        const result<store::answer> put = co_await in.run(store::put{.key = revocation_key(subject),
                                                                     .value = encode(wanted),
                                                                     .ttl = keep_for,
                                                                     .expect = expect,
                                                                     .subject = {}},
                                                          deadline);
        if (put.has_error()) co_return put.error();
        if (put->done) co_return result<>{};
        // A later instant of another's clock stays.
        expect = store::absent{};
        if (!put->present) continue;
        const result<system_time> there = decode(put->present->value);
        if (there.has_value() && *there >= wanted) co_return result<>{};
        expect = put->present->version;
    }
    co_return LETHE_ERR(errc::contended);
}

task<revocations::standing> revocations::judge(std::string subject, system_time began,
                                               steady_time deadline) {
    const auto judged = [began](system_time valid_after) {
        return began <= valid_after ? standing::revoked : standing::valid;
    };
    const steady_time now = clock_.steady_now();
    const auto found = known_.find(subject);
    if (found != known_.end() && now - found->second.asked < delay_)
        co_return judged(found->second.valid_after);
    const result<system_time> valid_after = co_await read_valid_after(store_, subject, deadline);
    if (valid_after.has_error()) co_return valid_after.error();
    if (known_.size() >= known_max)
        std::erase_if(known_, [&](const auto& one) { return now - one.second.asked >= delay_; });
    if (known_.size() >= known_max) known_.clear();
    known_[std::move(subject)] = {*valid_after, now};
    co_return judged(*valid_after);
}

}  // namespace lethe::session
