#include "session/record.hpp"

#include "base/bytes.hpp"

#include <sodium.h>

#include <algorithm>
#include <cstring>

namespace lethe::session {
namespace {

constexpr std::string_view magic = "LS";
constexpr char cookie_format = 2;  // sealed with the cookie's secret
constexpr char ring_format = 3;    // sealed with a key of the ring
constexpr std::size_t header_bytes = 4;
constexpr std::size_t created_bytes = 8;
constexpr std::size_t idle_bytes = 4;
// What stands open, of all kinds but tombstones; behind it, a key's id.
constexpr std::size_t outline_bytes = header_bytes + created_bytes + idle_bytes;
constexpr std::size_t nonce_bytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t mac_bytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
// Of the cookie's secret: who has a key of the ring and an id must still not be taken for the
// holder.
constexpr std::size_t verifier_bytes = 16;
// Far above what a session can have; a count beyond it is damage.
constexpr std::uint64_t count_max = 100'000;

const unsigned char* raw(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* raw(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}

void append_fixed(std::string& out, std::uint64_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i)
        out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
}
std::uint64_t read_fixed(std::string_view from) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < from.size(); ++i)
        value |= std::uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
    return value;
}

class writer {
 public:
    void number(std::uint64_t value) {
        while (value >= 0x80) {
            out_.push_back(static_cast<char>((value & 0x7f) | 0x80));
            value >>= 7;
        }
        out_.push_back(static_cast<char>(value));
    }
    void bytes(std::string_view value) {
        number(value.size());
        out_.append(value);
    }
    void fixed(const std::array<char, 16>& value) { out_.append(value.data(), value.size()); }
    void time(system_time value) {
        number(static_cast<std::uint64_t>(value.time_since_epoch().count()));
    }

    std::string take() { return std::move(out_); }

 private:
    std::string out_;
};

// Any read after the end answers zeros and sets failed().
class reader {
 public:
    explicit reader(std::string_view text) : rest_(text) {}

    std::uint64_t number() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            if (rest_.empty()) break;
            const auto byte = static_cast<unsigned char>(rest_.front());
            rest_.remove_prefix(1);
            // Shorter, or more than fits: nothing that is written.
            if ((shift > 0 && byte == 0) || (shift == 63 && byte > 1)) break;
            value |= std::uint64_t{byte & 0x7fU} << shift;
            if (byte < 0x80) return value;
        }
        failed_ = true;
        return 0;
    }
    std::string bytes() {
        const std::uint64_t size = number();
        if (size > rest_.size()) failed_ = true;
        if (failed_) return {};
        std::string out(rest_.substr(0, size));
        rest_.remove_prefix(size);
        return out;
    }
    std::array<char, 16> fixed() {
        std::array<char, 16> out{};
        if (rest_.size() < out.size()) {
            failed_ = true;
            return out;
        }
        std::memcpy(out.data(), rest_.data(), out.size());
        rest_.remove_prefix(out.size());
        return out;
    }
    std::int64_t signed_number() {
        const std::uint64_t value = number();
        if (value > INT64_MAX) failed_ = true;
        return failed_ ? 0 : static_cast<std::int64_t>(value);
    }
    system_time time() { return system_time{std::chrono::milliseconds{signed_number()}}; }
    std::uint64_t count() {
        const std::uint64_t value = number();
        if (value > count_max) failed_ = true;
        return failed_ ? 0 : value;
    }

    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
    std::string_view rest_;
    bool failed_ = false;
};

void encode(writer& out, const state& data) {
    out.bytes(data.identity);
    out.number(data.earlier.size());
    for (const std::string& one : data.earlier) out.bytes(one);
    out.number(data.version);
    out.time(data.created);
    out.time(data.written);
    out.time(data.absolute_expiry);
    out.number(static_cast<std::uint64_t>(data.idle_ttl.count()));
    out.bytes(data.subject);
    out.number(data.slots.size());
    for (const slot& one : data.slots) {
        out.bytes(one.name);
        out.number(one.version);
        out.bytes(one.json);
    }
    out.number(data.operations.size());
    for (const remembered_operation& one : data.operations) {
        out.fixed(one.id);
        out.number(static_cast<std::uint64_t>(one.seconds));
    }
    out.number(data.writes.size());
    for (const std::uint64_t nonce : data.writes) out.number(nonce);
}

state read_state(reader& in) {
    state data;
    data.identity = in.bytes();
    for (std::uint64_t left = in.count(); left > 0 && !in.failed(); --left)
        data.earlier.push_back(in.bytes());
    data.version = in.number();
    data.created = in.time();
    data.written = in.time();
    data.absolute_expiry = in.time();
    data.idle_ttl = std::chrono::seconds{in.signed_number()};
    data.subject = in.bytes();
    const std::uint64_t slots = in.count();
    // The number is checked by what follows it: room for what is usual.
    data.slots.reserve(std::min<std::uint64_t>(slots, 32));
    for (std::uint64_t left = slots; left > 0 && !in.failed(); --left) {
        slot one;
        one.name = in.bytes();
        one.version = in.number();
        one.json = in.bytes();
        data.slots.push_back(std::move(one));
    }
    for (std::uint64_t left = in.count(); left > 0 && !in.failed(); --left) {
        remembered_operation one;
        one.id = in.fixed();
        one.seconds = in.signed_number();
        data.operations.push_back(one);
    }
    for (std::uint64_t left = in.count(); left > 0 && !in.failed(); --left)
        data.writes.push_back(in.number());
    return data;
}

std::string encode(const opened_record& content) {
    writer out;
    switch (content.kind) {
        case record_kind::session: encode(out, content.data); break;
        case record_kind::tombstone: break;
        case record_kind::rotated:
            out.time(content.valid_until);
            out.number(content.made_by);
            out.bytes(content.target);
            break;
        case record_kind::superseded:
            out.time(content.valid_until);
            out.number(content.made_by);
            encode(out, content.data);
            break;
    }
    return out.take();
}

bool is_sound(const state& data) {
    return data.identity.size() == id_bytes && data.version != 0;
}

result<opened_record> decode(record_kind kind, std::string_view plain) {
    reader in(plain);
    opened_record out;
    out.kind = kind;
    if (kind == record_kind::rotated || kind == record_kind::superseded) {
        out.valid_until = in.time();
        out.made_by = in.number();
    }
    if (kind == record_kind::rotated)
        out.target = in.bytes();
    else
        out.data = read_state(in);
    if (in.failed() || !in.at_end()) return LETHE_ERR(errc::corrupt);
    if (kind == record_kind::rotated && !ticket::from_bytes(out.target))
        return LETHE_ERR(errc::corrupt);
    if (kind != record_kind::rotated && !is_sound(out.data)) return LETHE_ERR(errc::corrupt);
    return out;
}

// The bytes before the nonce of a record that read_outline() took.
std::size_t bound_bytes(const outline& of) {
    return of.key_id.empty() ? outline_bytes : outline_bytes + 1 + of.key_id.size();
}

std::string encrypt(std::string_view plain, std::string_view bound_to, std::string_view nonce,
                    const secret& key) {
    std::string sealed(plain.size() + mac_bytes, '\0');
    crypto_aead_xchacha20poly1305_ietf_encrypt(raw(sealed), nullptr, raw(plain), plain.size(),
                                               raw(bound_to), bound_to.size(), nullptr, raw(nonce),
                                               raw(key.reveal()));
    return sealed;
}

result<std::string> decrypt(std::string_view value, const outline& seen,
                            std::string_view record_key, const secret& key) {
    const std::size_t open = bound_bytes(seen);
    std::string bound_to;
    bound_to.reserve(record_key.size() + open);
    bound_to += record_key;
    bound_to += value.substr(0, open);
    const std::string_view nonce = value.substr(open, nonce_bytes);
    const std::string_view sealed = value.substr(open + nonce_bytes);
    std::string plain(sealed.size() - mac_bytes, '\0');
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(raw(plain), nullptr, nullptr, raw(sealed),
                                                   sealed.size(), raw(bound_to), bound_to.size(),
                                                   raw(nonce), raw(key.reveal())) != 0)
        return LETHE_ERR(errc::not_opened);
    return plain;
}

// The content of a record sealed with the ring, verifier first.
result<std::string> decrypt_with_ring(std::string_view value, const outline& seen,
                                      std::string_view record_key, const keyring* ring) {
    if (ring == nullptr) return LETHE_ERR(errc::key_missing);
    const keyring::key* key = ring->find(seen.key_id);
    if (key == nullptr) return ring->why_missing(seen.key_id);
    LETHE_TRY(std::string plain, decrypt(value, seen, record_key, key->of_records));
    if (plain.size() < verifier_bytes) return LETHE_ERR(errc::corrupt);
    return plain;
}

}  // namespace

const slot* state::find(std::string_view name) const noexcept {
    const auto at = std::find_if(slots.begin(), slots.end(),
                                 [name](const slot& one) { return one.name == name; });
    return at == slots.end() ? nullptr : &*at;
}

std::optional<outline> read_outline(std::string_view value) noexcept {
    if (value.size() < header_bytes || value.substr(0, magic.size()) != magic) return std::nullopt;
    const char format = value[2];
    if (format != cookie_format && format != ring_format) return std::nullopt;
    outline out;
    out.kind = static_cast<record_kind>(value[3]);
    switch (out.kind) {
        case record_kind::tombstone: return out;
        case record_kind::session:
        case record_kind::rotated:
        case record_kind::superseded: break;
        default: return std::nullopt;
    }
    if (format == ring_format && value.size() > outline_bytes)
        out.key_id =
            value.substr(outline_bytes + 1, static_cast<unsigned char>(value[outline_bytes]));
    if (format == ring_format && !is_key_id(out.key_id)) return std::nullopt;
    if (value.size() < bound_bytes(out) + nonce_bytes + mac_bytes) return std::nullopt;
    const std::uint64_t created = read_fixed(value.substr(header_bytes, created_bytes));
    if (created > INT64_MAX) return std::nullopt;
    out.created = system_time{std::chrono::milliseconds{static_cast<std::int64_t>(created)}};
    out.idle_ttl =
        std::chrono::seconds{read_fixed(value.substr(header_bytes + created_bytes, idle_bytes))};
    return out;
}

record_seal seal_of(std::string_view value) noexcept {
    record_seal out{};
    static_assert(out.size() == mac_bytes);
    if (value.size() >= outline_bytes + nonce_bytes + mac_bytes)
        std::memcpy(out.data(), value.data() + value.size() - out.size(), out.size());
    return out;
}

std::string make_tombstone() {
    std::string out(magic);
    out.push_back(cookie_format);
    out.push_back(static_cast<char>(record_kind::tombstone));
    return out;
}

std::string seal(const opened_record& content, const ticket& holder, random_source& random,
                 const keyring* ring) {
    if (content.kind == record_kind::tombstone) return make_tombstone();
    std::string out(magic);
    out.push_back(ring == nullptr ? cookie_format : ring_format);
    out.push_back(static_cast<char>(content.kind));
    append_fixed(out, static_cast<std::uint64_t>(content.data.created.time_since_epoch().count()),
                 created_bytes);
    append_fixed(out, static_cast<std::uint64_t>(content.data.idle_ttl.count()), idle_bytes);
    std::string plain;
    if (ring != nullptr) {
        out.push_back(static_cast<char>(ring->first().id.size()));
        out += ring->first().id;
        plain = holder.verifier();
        LETHE_ASSERT(plain.size() == verifier_bytes);
    }
    plain += encode(content);
    const std::string nonce = random.bytes(nonce_bytes);
    const std::string sealed =
        encrypt(plain, holder.record_key() + out, nonce,
                ring == nullptr ? holder.sealing_key() : ring->first().of_records);
    out.reserve(out.size() + nonce.size() + sealed.size());
    out += nonce;
    out += sealed;
    return out;
}

result<opened_record> open(std::string_view value, const ticket& holder, const keyring* ring) {
    const std::optional<outline> seen = read_outline(value);
    if (!seen) return LETHE_ERR(errc::corrupt);
    if (seen->kind == record_kind::tombstone) {
        opened_record out;
        out.kind = seen->kind;
        return out;
    }
    const std::string record_key = holder.record_key();
    if (seen->key_id.empty()) {
        LETHE_TRY(const std::string plain, decrypt(value, *seen, record_key, holder.sealing_key()));
        return decode(seen->kind, plain);
    }
    LETHE_TRY(const std::string plain, decrypt_with_ring(value, *seen, record_key, ring));
    const std::string_view content = plain;
    if (!equal_constant_time(content.substr(0, verifier_bytes), holder.verifier()))
        return LETHE_ERR(errc::not_opened);
    return decode(seen->kind, content.substr(verifier_bytes));
}

result<opened_record> open_with_keys(std::string_view value, std::string_view record_key,
                                     const keyring* ring) {
    const std::optional<outline> seen = read_outline(value);
    if (!seen) return LETHE_ERR(errc::corrupt);
    if (seen->key_id.empty()) return LETHE_ERR(errc::not_opened);
    LETHE_TRY(const std::string plain, decrypt_with_ring(value, *seen, record_key, ring));
    return decode(seen->kind, std::string_view(plain).substr(verifier_bytes));
}

std::string encode_state(const state& data) {
    writer out;
    encode(out, data);
    return out.take();
}

result<state> decode_state(std::string_view bytes) {
    reader in(bytes);
    state out = read_state(in);
    if (in.failed() || !in.at_end() || !is_sound(out)) return LETHE_ERR(errc::corrupt);
    return out;
}

}  // namespace lethe::session
