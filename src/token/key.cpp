#include "token/key.hpp"

#include "base/bytes.hpp"
#include "token/openssl.hpp"

#include <sodium.h>

#include <array>

namespace lethe::token {
namespace {

namespace bj = boost::json;

constexpr std::size_t secret_bytes_max = 1024;

// A member that must be a string when it is there; absent: "".
result<std::string_view> text_member(const bj::object& jwk, std::string_view name) {
    const bj::value* found = jwk.if_contains(name);
    if (found == nullptr) return std::string_view();
    if (!found->is_string()) return LETHE_ERR(errc::key_malformed);
    return std::string_view(found->get_string());
}

result<std::string> bytes_member(const bj::object& jwk, std::string_view name) {
    LETHE_TRY(const std::string_view text, text_member(jwk, name));
    result<std::string> bytes = from_base64url(text);
    if (bytes.has_error() || bytes->empty()) return LETHE_ERR(errc::key_malformed);
    return *std::move(bytes);
}

// RFC 7518 section 2, Base64urlUInt: no octet more than needed. Two writings of one number would
// give one key two thumbprints.
result<std::string> number_member(const bj::object& jwk, std::string_view name) {
    LETHE_TRY(std::string bytes, bytes_member(jwk, name));
    if (bytes.front() == '\0') return LETHE_ERR(errc::key_malformed);
    return bytes;
}

result<std::string> coordinate_member(const bj::object& jwk, std::string_view name, curve on) {
    LETHE_TRY(std::string bytes, bytes_member(jwk, name));
    if (bytes.size() != detail::coordinate_bytes(on)) return LETHE_ERR(errc::key_malformed);
    return bytes;
}

std::size_t bits_of(std::string_view number) {
    std::size_t bits = number.size() * 8;
    for (unsigned char top = 0x80; !number.empty() && top != 0;
         top = static_cast<unsigned char>(top >> 1)) {
        if ((static_cast<unsigned char>(number.front()) & top) != 0) break;
        --bits;
    }
    return bits;
}

bool is_odd(std::string_view number) {
    return (static_cast<unsigned char>(number.back()) & 1) != 0;
}

// J6: e is odd, at least 3, at most 2^32.
bool is_good_exponent(std::string_view e) {
    return is_odd(e) && e.size() <= 4 &&
           !(e.size() == 1 && static_cast<unsigned char>(e.front()) < 3);
}

result<> check_rsa(const key_material& in) {
    const std::size_t bits = bits_of(in.n);
    if (bits > 8192) return LETHE_ERR(errc::key_too_large);
    if (bits < 2048 || !is_odd(in.n) || !is_good_exponent(in.e) || detail::has_roca_mark(in.n))
        return LETHE_ERR(errc::key_too_weak);
    return result<>{};
}

result<key_material> read_rsa(const bj::object& jwk) {
    key_material out;
    out.type = key_type::rsa;
    LETHE_TRY(out.n, number_member(jwk, "n"));
    LETHE_TRY(out.e, number_member(jwk, "e"));
    const result<> good = check_rsa(out);
    if (good.has_error()) return good.error();
    if (!jwk.contains("d")) return out;
    if (jwk.contains("oth")) return LETHE_ERR(errc::key_unsupported);  // more than two primes
    const auto read = [&jwk](std::string_view name, secret& to) -> result<> {
        LETHE_TRY(std::string bytes, number_member(jwk, name));
        to = secret(std::move(bytes));
        return result<>{};
    };
    for (const auto& [name, to] :
         {std::pair{"d", &out.d}, std::pair{"p", &out.p}, std::pair{"q", &out.q},
          std::pair{"dp", &out.dp}, std::pair{"dq", &out.dq}, std::pair{"qi", &out.qi}}) {
        const result<> done = read(name, *to);
        if (done.has_error()) return done.error();
    }
    return out;
}

result<> check_point(const key_material& in) {
    if (in.type == key_type::ec) {
        const result<detail::pkey_ptr> imported = detail::import_public(in);
        if (imported.has_error()) return imported.error();
        return result<>{};
    }
    // Also refuses points of small order and outside the main subgroup, which no honest key is.
    if (crypto_core_ed25519_is_valid_point(detail::raw(in.x)) != 1)
        return LETHE_ERR(errc::key_not_on_curve);
    return result<>{};
}

result<key_material> read_on_curve(const bj::object& jwk, key_type type) {
    LETHE_TRY(const std::string_view name, text_member(jwk, "crv"));
    key_material out;
    out.type = type;
    for (const curve c : {curve::p256, curve::p384, curve::p521, curve::ed25519})
        if (name == detail::curve_name(c)) out.curve = c;
    if (out.curve == curve::none || (type == key_type::okp) != (out.curve == curve::ed25519))
        return LETHE_ERR(errc::key_unsupported);
    LETHE_TRY(out.x, coordinate_member(jwk, "x", out.curve));
    if (type == key_type::ec) {
        LETHE_TRY(out.y, coordinate_member(jwk, "y", out.curve));
    }
    if (jwk.contains("d")) {
        LETHE_TRY(std::string d, coordinate_member(jwk, "d", out.curve));
        out.d = secret(std::move(d));
    }
    const result<> good = check_point(out);
    if (good.has_error()) return good.error();
    return out;
}

result<key_material> read_secret(const bj::object& jwk) {
    key_material out;
    out.type = key_type::oct;
    // An empty secret is well-formed, but weak.
    LETHE_TRY(const std::string_view text, text_member(jwk, "k"));
    if (!jwk.contains("k")) return LETHE_ERR(errc::key_malformed);
    if (text.empty()) return LETHE_ERR(errc::key_too_weak);
    LETHE_TRY(std::string bytes, bytes_member(jwk, "k"));
    if (bytes.size() > secret_bytes_max) return LETHE_ERR(errc::key_too_large);
    if (bytes.size() < detail::hash_bytes(algorithm::hs256)) return LETHE_ERR(errc::key_too_weak);
    out.k = secret(std::move(bytes));
    return out;
}

result<key_material> read_material(const bj::object& jwk) {
    LETHE_TRY(const std::string_view type, text_member(jwk, "kty"));
    if (type == "RSA") return read_rsa(jwk);
    if (type == "EC") return read_on_curve(jwk, key_type::ec);
    if (type == "OKP") return read_on_curve(jwk, key_type::okp);
    if (type == "oct") return read_secret(jwk);
    if (type.empty()) return LETHE_ERR(errc::key_malformed);
    return LETHE_ERR(errc::key_unsupported);
}

// J5: `use` is absent or "sig"; `key_ops` is absent or has "verify", or "sign" for a key that can
// sign.
result<> check_use(const bj::object& jwk) {
    LETHE_TRY(const std::string_view use, text_member(jwk, "use"));
    if (jwk.contains("use") && use != "sig") return LETHE_ERR(errc::key_wrong_use);
    const bj::value* operations = jwk.if_contains("key_ops");
    if (operations == nullptr) return result<>{};
    if (!operations->is_array()) return LETHE_ERR(errc::key_malformed);
    bool can_sign = false;
    bool can_verify = false;
    for (const bj::value& one : operations->get_array()) {
        if (!one.is_string()) return LETHE_ERR(errc::key_malformed);
        can_sign = can_sign || one.get_string() == "sign";
        can_verify = can_verify || one.get_string() == "verify";
    }
    const bool is_private = jwk.contains("d");
    if (!can_verify && !(is_private && can_sign)) return LETHE_ERR(errc::key_wrong_use);
    return result<>{};
}

void add_bytes(bj::object& to, std::string_view name, std::string_view bytes) {
    to[name] = to_base64url(bytes);
}

const char* type_name(key_type t) {
    switch (t) {
        case key_type::rsa: return "RSA";
        case key_type::ec: return "EC";
        case key_type::okp: return "OKP";
        case key_type::oct: break;
    }
    return "oct";
}

// RFC 7638 section 3.2: the required members only, in lexical order, no white space.
std::string thumbprint_of(const key_material& in) {
    std::string text;
    switch (in.type) {
        case key_type::rsa:
            text = R"({"e":")" + to_base64url(in.e) + R"(","kty":"RSA","n":")" +
                   to_base64url(in.n) + R"("})";
            break;
        case key_type::ec:
            text = std::string(R"({"crv":")") + detail::curve_name(in.curve) +
                   R"(","kty":"EC","x":")" + to_base64url(in.x) + R"(","y":")" +
                   to_base64url(in.y) + R"("})";
            break;
        case key_type::okp:
            text = R"({"crv":"Ed25519","kty":"OKP","x":")" + to_base64url(in.x) + R"("})";
            break;
        case key_type::oct:
            text = R"({"k":")" + to_base64url(in.k.reveal()) + R"(","kty":"oct"})";
            break;
    }
    return to_base64url(sha256(text));
}

result<key_material> generate_okp(random_source& random) {
    key_material out;
    out.type = key_type::okp;
    out.curve = curve::ed25519;
    std::string seed = random.bytes(crypto_sign_SEEDBYTES);
    out.x.resize(crypto_sign_PUBLICKEYBYTES);
    std::array<unsigned char, crypto_sign_SECRETKEYBYTES> pair{};
    crypto_sign_seed_keypair(detail::raw(out.x), pair.data(), detail::raw(seed));
    sodium_memzero(pair.data(), pair.size());
    out.d = secret(std::move(seed));
    return out;
}

result<key_material> generate_material(const generate_options& options, random_source& random) {
    switch (options.algorithm) {
        case algorithm::es256: return detail::generate_ec(curve::p256);
        case algorithm::es384: return detail::generate_ec(curve::p384);
        case algorithm::es512: return detail::generate_ec(curve::p521);
        case algorithm::ed25519: return generate_okp(random);
        case algorithm::hs256:
        case algorithm::hs384:
        case algorithm::hs512: {
            key_material out;
            out.k = secret(random.bytes(detail::hash_bytes(options.algorithm)));
            return out;
        }
        default: break;
    }
    if (options.rsa_bits < 2048) return LETHE_ERR(errc::key_too_weak);
    if (options.rsa_bits > 8192) return LETHE_ERR(errc::key_too_large);
    return detail::generate_rsa(options.rsa_bits);
}

}  // namespace

result<key> key::from_json(const bj::object& jwk) {
    // The use first: a key for encryption may have an `alg` and even a `kty` that mean nothing
    // here.
    const result<> usable = check_use(jwk);
    if (usable.has_error()) return usable.error();
    key out;
    LETHE_TRY(out.material_, read_material(jwk));
    LETHE_TRY(const std::string_view id, text_member(jwk, "kid"));
    if (id.size() > 256) return LETHE_ERR(errc::key_malformed);
    out.id_ = id;
    LETHE_TRY(const std::string_view name, text_member(jwk, "alg"));
    if (jwk.contains("alg")) {
        const std::optional<algorithm> declared = parse_algorithm(name);
        if (!declared) return LETHE_ERR(errc::key_wrong_algorithm);
        // A secret too short for the algorithm it names is weak rather than of the wrong kind.
        if (out.is_symmetric() && token::is_symmetric(*declared) && !out.fits(*declared))
            return LETHE_ERR(errc::key_too_weak);
        if (!out.fits(*declared)) return LETHE_ERR(errc::key_wrong_algorithm);
        out.declared_ = declared;
    }
    out.thumbprint_ = thumbprint_of(out.material_);
    return out;
}

std::size_t key::bits() const noexcept {
    switch (material_.type) {
        case key_type::rsa: return bits_of(material_.n);
        case key_type::oct: return material_.k.reveal().size() * 8;
        case key_type::okp: return 255;
        case key_type::ec: break;
    }
    return material_.curve == curve::p521 ? 521 : detail::coordinate_bytes(material_.curve) * 8;
}

bool key::fits(algorithm a) const noexcept {
    if (declared_ && *declared_ != a) return false;
    switch (a) {
        case algorithm::es256:
            return material_.type == key_type::ec && material_.curve == curve::p256;
        case algorithm::es384:
            return material_.type == key_type::ec && material_.curve == curve::p384;
        case algorithm::es512:
            return material_.type == key_type::ec && material_.curve == curve::p521;
        case algorithm::ed25519: return material_.type == key_type::okp;
        case algorithm::hs256:
        case algorithm::hs384:
        case algorithm::hs512:
            return material_.type == key_type::oct &&
                   material_.k.reveal().size() >= detail::hash_bytes(a);
        default: return material_.type == key_type::rsa;
    }
}

std::optional<algorithm> key::usual_algorithm() const noexcept {
    if (declared_) return declared_;
    switch (material_.type) {
        case key_type::rsa: return algorithm::rs256;
        case key_type::okp: return algorithm::ed25519;
        case key_type::oct: return std::nullopt;
        case key_type::ec: break;
    }
    if (material_.curve == curve::p256) return algorithm::es256;
    return material_.curve == curve::p384 ? algorithm::es384 : algorithm::es512;
}

bj::object key::to_public_json() const {
    bj::object out;
    if (is_symmetric()) return out;
    out["kty"] = type_name(material_.type);
    if (!id_.empty()) out["kid"] = id_;
    out["use"] = "sig";
    if (declared_) out["alg"] = to_name(*declared_);
    if (material_.type == key_type::rsa) {
        add_bytes(out, "n", material_.n);
        add_bytes(out, "e", material_.e);
        return out;
    }
    out["crv"] = detail::curve_name(material_.curve);
    add_bytes(out, "x", material_.x);
    if (material_.type == key_type::ec) add_bytes(out, "y", material_.y);
    return out;
}

bj::object key::to_private_json() const {
    bj::object out = to_public_json();
    if (is_symmetric()) {
        out["kty"] = "oct";
        if (!id_.empty()) out["kid"] = id_;
        out["use"] = "sig";
        if (declared_) out["alg"] = to_name(*declared_);
        add_bytes(out, "k", material_.k.reveal());
        return out;
    }
    if (!is_private()) return out;
    add_bytes(out, "d", material_.d.reveal());
    if (material_.type != key_type::rsa) return out;
    add_bytes(out, "p", material_.p.reveal());
    add_bytes(out, "q", material_.q.reveal());
    add_bytes(out, "dp", material_.dp.reveal());
    add_bytes(out, "dq", material_.dq.reveal());
    add_bytes(out, "qi", material_.qi.reveal());
    return out;
}

result<key> generate_key(const generate_options& options, random_source& random) {
    key out;
    LETHE_TRY(out.material_, generate_material(options, random));
    out.declared_ = options.algorithm;
    out.thumbprint_ = thumbprint_of(out.material_);
    // The thumbprint of a secret is a hash of the secret: no name to show around.
    if (!options.id.empty())
        out.id_ = options.id;
    else
        out.id_ = out.is_symmetric() ? to_hex(random.bytes(8)) : out.thumbprint_;
    return out;
}

}  // namespace lethe::token
