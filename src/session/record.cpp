#include "session/record.hpp"

#include <sodium.h>

#include <algorithm>
#include <cstring>

namespace lethe::session {
namespace {

constexpr std::string_view magic = "LS";
constexpr char format = 1;
constexpr std::size_t header_bytes = 4;
constexpr std::size_t nonce_bytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t mac_bytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
// Far above what a session can have; a count beyond it is damage.
constexpr std::uint64_t count_max = 100'000;

const unsigned char* raw(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* raw(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
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
    system_time time() {
        const std::uint64_t value = number();
        if (value > INT64_MAX) failed_ = true;
        return system_time{
            std::chrono::milliseconds{failed_ ? 0 : static_cast<std::int64_t>(value)}};
    }
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

state decode_state(reader& in) {
    state data;
    data.identity = in.bytes();
    for (std::uint64_t left = in.count(); left > 0 && !in.failed(); --left)
        data.earlier.push_back(in.bytes());
    data.version = in.number();
    data.created = in.time();
    data.written = in.time();
    data.absolute_expiry = in.time();
    data.idle_ttl = std::chrono::seconds{static_cast<std::int64_t>(in.number() & INT64_MAX)};
    data.subject = in.bytes();
    for (std::uint64_t left = in.count(); left > 0 && !in.failed(); --left) {
        slot one;
        one.name = in.bytes();
        one.version = in.number();
        one.json = in.bytes();
        data.slots.push_back(std::move(one));
    }
    for (std::uint64_t left = in.count(); left > 0 && !in.failed(); --left) {
        remembered_operation one;
        one.id = in.fixed();
        one.seconds = static_cast<std::int64_t>(in.number() & INT64_MAX);
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
        out.data = decode_state(in);
    if (in.failed() || !in.at_end()) return LETHE_ERR(errc::corrupt);
    if (kind == record_kind::rotated && !ticket::from_bytes(out.target))
        return LETHE_ERR(errc::corrupt);
    if (kind != record_kind::rotated &&
        (out.data.identity.size() != id_bytes || out.data.version == 0))
        return LETHE_ERR(errc::corrupt);
    return out;
}

}  // namespace

const slot* state::find(std::string_view name) const noexcept {
    const auto at = std::find_if(slots.begin(), slots.end(),
                                 [name](const slot& one) { return one.name == name; });
    return at == slots.end() ? nullptr : &*at;
}

std::string seal(const opened_record& content, const ticket& holder, random_source& random) {
    std::string out(magic);
    out.push_back(format);
    out.push_back(static_cast<char>(content.kind));
    if (content.kind == record_kind::tombstone) return out;

    const std::string plain = encode(content);
    const std::string bound_to = holder.record_key() + out;
    const std::string nonce = random.bytes(nonce_bytes);
    const secret key = holder.sealing_key();
    std::string sealed(plain.size() + mac_bytes, '\0');
    crypto_aead_xchacha20poly1305_ietf_encrypt(raw(sealed), nullptr, raw(plain), plain.size(),
                                               raw(bound_to), bound_to.size(), nullptr, raw(nonce),
                                               raw(key.reveal()));
    out.reserve(header_bytes + nonce.size() + sealed.size());
    out += nonce;
    out += sealed;
    return out;
}

result<opened_record> open(std::string_view value, const ticket& holder) {
    if (value.size() < header_bytes || value.substr(0, magic.size()) != magic || value[2] != format)
        return LETHE_ERR(errc::corrupt);
    const auto kind = static_cast<record_kind>(value[3]);
    if (kind == record_kind::tombstone) {
        opened_record out;
        out.kind = kind;
        return out;
    }
    if (kind != record_kind::session && kind != record_kind::rotated &&
        kind != record_kind::superseded)
        return LETHE_ERR(errc::corrupt);
    if (value.size() < header_bytes + nonce_bytes + mac_bytes) return LETHE_ERR(errc::corrupt);

    const std::string bound_to = holder.record_key() + std::string(value.substr(0, header_bytes));
    const std::string_view nonce = value.substr(header_bytes, nonce_bytes);
    const std::string_view sealed = value.substr(header_bytes + nonce_bytes);
    const secret key = holder.sealing_key();
    std::string plain(sealed.size() - mac_bytes, '\0');
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(raw(plain), nullptr, nullptr, raw(sealed),
                                                   sealed.size(), raw(bound_to), bound_to.size(),
                                                   raw(nonce), raw(key.reveal())) != 0)
        return LETHE_ERR(errc::not_opened);
    return decode(kind, plain);
}

}  // namespace lethe::session
