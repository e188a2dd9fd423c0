#include "idempotency/record.hpp"

#include "http/fields.hpp"
#include "idempotency/errors.hpp"
#include "idempotency/options.hpp"

#include <concepts>

namespace lethe::idempotency {
namespace {

// Layout: "LI", version, state, epoch, nonce, execution, fingerprint, created, lease_until,
// expires; then for a done record: status (16 bits), completed, origin, count of fields, name and
// value each, then 0, or 1 and the body, or 2 and a blob's name and length. An outcome of an
// earlier epoch has that in front: in a claim (state 5) or in a done record (state 6). Numbers are
// little-endian and of fixed width; texts have a 32-bit length in front. Times are milliseconds.
constexpr std::string_view magic = "LI";
constexpr std::uint8_t format_version = 2;
constexpr std::uint32_t header_lines_max = 4096;
constexpr std::uint8_t claimed_above_outcome = 5;
constexpr std::uint8_t done_before = 6;
constexpr std::uint8_t body_absent = 0;
constexpr std::uint8_t body_inline = 1;
constexpr std::uint8_t body_in_blob = 2;

template <std::unsigned_integral Number>
void append_number(std::string& out, Number value) {
    char bytes[sizeof(Number)];
    for (std::size_t i = 0; i < sizeof(Number); ++i)
        bytes[i] = static_cast<char>((value >> (8 * i)) & 0xff);
    out.append(bytes, sizeof bytes);
}

void append_time(std::string& out, system_time value) {
    append_number(out, static_cast<std::uint64_t>(value.time_since_epoch().count()));
}

void append_text(std::string& out, std::string_view text) {
    append_number(out, static_cast<std::uint32_t>(text.size()));
    out += text;
}

std::uint8_t state_byte(const key_record& of) {
    if (of.made_at == 0) return static_cast<std::uint8_t>(of.state);
    return of.state == record_state::done ? done_before : claimed_above_outcome;
}

std::size_t encoded_outcome_bytes(const outcome& value) {
    std::size_t total = 64 + value.origin.size() + (value.body ? value.body->size() : 0);
    for (const auto& [name, text] : value.header) total += 8 + name.size() + text.size();
    return total;
}

void append_outcome(std::string& out, const outcome& value) {
    append_number(out, static_cast<std::uint16_t>(value.status));
    append_time(out, value.completed);
    append_text(out, value.origin);
    append_number(out, static_cast<std::uint32_t>(value.header.size()));
    for (const auto& [name, text] : value.header) {
        append_text(out, name);
        append_text(out, text);
    }
    LETHE_ASSERT(!(value.body && value.blob));
    append_number(out, value.body ? body_inline : value.blob ? body_in_blob : body_absent);
    if (value.body) append_text(out, *value.body);
    if (value.blob) {
        LETHE_ASSERT(value.blob->name.size() == nonce_bytes);
        out += value.blob->name;
        append_number(out, value.blob->bytes);
    }
}

// Takes bytes off the front; after the first failure everything fails.
class reader {
 public:
    explicit reader(std::string_view bytes) : rest_(bytes) {}

    std::string_view raw(std::size_t count) {
        if (count > rest_.size()) {
            good_ = false;
            rest_ = {};
            return {};
        }
        const std::string_view out = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return out;
    }

    template <std::unsigned_integral Number>
    Number number() {
        const std::string_view from = raw(sizeof(Number));
        Number out = 0;
        for (std::size_t i = 0; i < from.size(); ++i)
            out = static_cast<Number>(
                out | static_cast<Number>(static_cast<Number>(static_cast<unsigned char>(from[i]))
                                          << (8 * i)));
        return out;
    }

    // From 1970 to the year 9999, so that no sum of times overflows.
    system_time time() {
        constexpr std::uint64_t latest = 253'402'300'799'999;
        const auto millis = number<std::uint64_t>();
        if (millis > latest) good_ = false;
        return system_time{
            std::chrono::milliseconds{good_ ? static_cast<std::int64_t>(millis) : 0}};
    }

    std::string_view text() { return raw(number<std::uint32_t>()); }

    void require(bool holds) { good_ = good_ && holds; }
    [[nodiscard]] bool good() const { return good_; }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
    std::string_view rest_;
    bool good_ = true;
};

// What will be written onto a connection is checked again: a store can be written by others.
outcome read_outcome(reader& in) {
    outcome out;
    out.status = in.number<std::uint16_t>();
    in.require(out.status >= 200 && out.status <= 599);
    out.completed = in.time();
    out.origin = in.text();
    in.require(http::is_field_value(out.origin));
    const auto lines = in.number<std::uint32_t>();
    in.require(lines <= header_lines_max);
    for (std::uint32_t i = 0; i < lines && in.good(); ++i) {
        const std::string_view name = in.text();
        const std::string_view value = in.text();
        in.require(http::is_token(name) && http::is_field_value(value));
        out.header.emplace_back(name, value);
    }
    const auto where = in.number<std::uint8_t>();
    in.require(where <= body_in_blob);
    if (where == body_inline) out.body.emplace(in.text());
    if (where == body_in_blob) {
        const std::string_view name = in.raw(nonce_bytes);
        out.blob.emplace(std::string(name), in.number<std::uint64_t>());
        in.require(out.blob->bytes > 0 && out.blob->bytes <= answer_bytes_limit);
    }
    return out;
}

}  // namespace

std::string encode_record(const key_record& value) {
    LETHE_ASSERT(value.epoch > 0 && value.nonce.size() == nonce_bytes);
    LETHE_ASSERT(value.execution.size() == nonce_bytes);
    LETHE_ASSERT(value.fingerprint.size() == fingerprint_bytes);
    const bool stands = value.state == record_state::claimed && value.made_at != 0;
    LETHE_ASSERT((value.state == record_state::done || stands) == value.result.has_value());
    LETHE_ASSERT(value.made_at == 0 || (value.result && value.made_at < value.epoch));
    std::string out;
    out.reserve(120 + (value.result ? encoded_outcome_bytes(*value.result) : 0));
    out += magic;
    append_number(out, format_version);
    append_number(out, state_byte(value));
    append_number(out, value.epoch);
    out += value.nonce;
    out += value.execution;
    out += value.fingerprint;
    append_time(out, value.created);
    append_time(out, value.lease_until);
    append_time(out, value.expires);
    if (value.made_at != 0) append_number(out, value.made_at);
    if (value.result) append_outcome(out, *value.result);
    return out;
}

result<key_record> decode_record(std::string_view bytes) {
    reader in(bytes);
    in.require(in.raw(magic.size()) == magic);
    in.require(in.number<std::uint8_t>() == format_version);
    const auto state = in.number<std::uint8_t>();
    in.require(state >= std::uint8_t{1} && state <= done_before);
    if (!in.good()) return LETHE_ERR(errc::record_corrupt);

    key_record out;
    const bool earlier = state == claimed_above_outcome || state == done_before;
    out.state = static_cast<record_state>(state);
    if (earlier) out.state = state == done_before ? record_state::done : record_state::claimed;
    out.epoch = in.number<std::uint64_t>();
    in.require(out.epoch > 0 && out.epoch <= epoch_max);
    out.nonce = in.raw(nonce_bytes);
    out.execution = in.raw(nonce_bytes);
    out.fingerprint = in.raw(fingerprint_bytes);
    out.created = in.time();
    out.lease_until = in.time();
    out.expires = in.time();
    if (earlier) {
        out.made_at = in.number<std::uint64_t>();
        in.require(out.made_at > 0 && out.made_at < out.epoch);
    }
    if (out.state == record_state::done || earlier) out.result = read_outcome(in);
    if (!in.good() || !in.at_end()) return LETHE_ERR(errc::record_corrupt);
    return out;
}

}  // namespace lethe::idempotency
