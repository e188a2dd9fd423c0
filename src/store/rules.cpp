#include "store/rules.hpp"

namespace lethe::store {
namespace {

template <class... Handlers>
struct overloads : Handlers... {
    using Handlers::operator()...;
};
template <class... Handlers>
overloads(Handlers...) -> overloads<Handlers...>;

result<> check_key(std::string_view key) {
    if (key.empty()) return LETHE_ERR(errc::malformed);
    if (key.size() > key_bytes_max) return LETHE_ERR(errc::too_large);
    return {};
}

result<> check_put(const put& one) {
    if (one.value.size() > value_bytes_max || one.subject.size() > subject_bytes_max)
        return LETHE_ERR(errc::too_large);
    if (one.ttl <= one.ttl.zero()) return LETHE_ERR(errc::malformed);
    return check_key(one.key);
}

}  // namespace

result<> check(const operation& one) {
    return std::visit(overloads{
                          [](const get& it) { return check_key(it.key); },
                          [](const put& it) { return check_put(it); },
                          [](const erase& it) -> result<> {
                              if (std::holds_alternative<absent>(it.expect))
                                  return LETHE_ERR(errc::malformed);
                              return check_key(it.key);
                          },
                          [](const touch& it) -> result<> {
                              if (it.ttl <= it.ttl.zero()) return LETHE_ERR(errc::malformed);
                              return check_key(it.key);
                          },
                      },
                      one);
}

result<> check(std::span<const operation> operations) {
    if (operations.size() > operations_max) return LETHE_ERR(errc::too_large);
    for (const operation& one : operations) {
        const result<> fine = check(one);
        if (fine.has_error()) return fine;
    }
    return {};
}

result<> check_listing(std::string_view subject, std::string_view key_prefix,
                       std::string_view after, std::size_t keys_max) {
    if (subject.empty() || keys_max == 0) return LETHE_ERR(errc::malformed);
    if (subject.size() > subject_bytes_max || key_prefix.size() > key_bytes_max ||
        after.size() > key_bytes_max)
        return LETHE_ERR(errc::too_large);
    return {};
}

result<> check_scan(std::string_view cursor, std::size_t keys_max) {
    if (keys_max == 0 || cursor.size() > key_bytes_max) return LETHE_ERR(errc::malformed);
    return {};
}

bool holds(const expectation& expect, std::optional<record_version> present) noexcept {
    if (std::holds_alternative<absent>(expect)) return !present;
    if (const auto* wanted = std::get_if<record_version>(&expect)) return present == *wanted;
    return true;
}

system_time expiry_after(system_time now, std::chrono::milliseconds ttl) noexcept {
    const auto room = system_time::max() - now;
    return ttl < room ? now + ttl : system_time::max();
}

std::size_t bytes_of(std::span<const operation> operations) noexcept {
    std::size_t sum = 0;
    for (const operation& any : operations) {
        sum += sizeof(operation);
        if (const put* one = std::get_if<put>(&any))
            sum += one->key.size() + one->value.size() + one->subject.size();
    }
    return sum;
}

bool only_reads(std::span<const operation> operations) noexcept {
    for (const operation& one : operations)
        if (!std::holds_alternative<get>(one)) return false;
    return true;
}

std::string first_listed(std::string_view key_prefix, std::string_view after) {
    if (after < key_prefix) return std::string(key_prefix);
    // The next string after `after` in the order of bytes.
    std::string next(after);
    next.push_back('\0');
    return next;
}

std::string end_listed(std::string_view key_prefix) {
    std::string end(key_prefix);
    while (!end.empty() && end.back() == '\xff') end.pop_back();
    // Nothing to count up: longer than any key made of the greatest byte.
    if (end.empty()) return std::string(key_bytes_max + 1, '\xff');
    end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
    return end;
}

}  // namespace lethe::store
