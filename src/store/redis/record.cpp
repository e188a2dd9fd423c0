#include "store/redis/record.hpp"

#include <algorithm>
#include <cstring>

namespace lethe::store::redis {
namespace {

std::uint64_t to_number(std::string_view bytes) noexcept {
    std::uint64_t out = 0;
    for (const char one : bytes) out = out << 8 | static_cast<unsigned char>(one);
    return out;
}

constexpr std::int64_t ttl_millis_min = 2;
constexpr std::int64_t ttl_millis_max = 3'155'760'000'000'000;

}  // namespace

namespace {

// All but the value, which begins where it says.
result<std::size_t> decode_front_into(record& out, std::string_view stored) {
    if (stored.size() < record_head_bytes || stored.front() != record_format)
        return LETHE_ERR(errc::corrupt);
    const std::uint64_t expires = to_number(stored.substr(9, 8));
    const std::size_t subject_bytes = to_number(stored.substr(17, 2));
    out.version.number = to_number(stored.substr(1, 8));
    if (out.version.number == 0 || expires > INT64_MAX || subject_bytes > subject_bytes_max ||
        stored.size() < record_head_bytes + subject_bytes)
        return LETHE_ERR(errc::corrupt);
    out.expires = system_time{std::chrono::milliseconds{expires}};
    out.subject.assign(stored.substr(record_head_bytes, subject_bytes));
    return record_head_bytes + subject_bytes;
}

}  // namespace

result<record> decode_record_front(std::string_view stored) {
    record out;
    const result<std::size_t> front = decode_front_into(out, stored);
    if (front.has_error()) return front.error();
    return out;
}

result<> decode_record_into(record& out, std::string_view stored) {
    const result<std::size_t> front = decode_front_into(out, stored);
    if (front.has_error()) return front.error();
    out.value.assign(stored.substr(*front));
    return {};
}

result<record> decode_record(std::string_view stored) {
    record out;
    const result<> read = decode_record_into(out, stored);
    if (read.has_error()) return read.error();
    return out;
}

std::array<char, 8> to_bytes(record_version version) noexcept {
    std::array<char, 8> out;
    for (std::size_t i = 0; i < 8; ++i)
        out[7 - i] = static_cast<char>(version.number >> (8 * i) & 0xff);
    return out;
}

std::int64_t ttl_millis(std::chrono::milliseconds ttl) noexcept {
    return std::clamp<std::int64_t>(ttl.count(), ttl_millis_min, ttl_millis_max);
}

record_version version_source::next() {
    record_version out;
    while (out.number == 0) {
        unsigned char drawn[8];
        random_->fill(drawn);
        std::memcpy(&out.number, drawn, sizeof drawn);
    }
    return out;
}

std::string key_names::of_record(std::string_view key) const {
    std::string out = prefix;
    out += record_mark;
    out += key;
    return out;
}

std::string key_names::of_subject(std::string_view subject) const {
    std::string out = prefix;
    out += subject_mark;
    out += subject;
    return out;
}

std::string key_names::pattern(std::string_view mark) const {
    std::string out;
    for (const char one : prefix) {
        if (std::string_view("*?[]^\\").find(one) != std::string_view::npos) out += '\\';
        out += one;
    }
    out += mark;
    out += '*';
    return out;
}

}  // namespace lethe::store::redis
