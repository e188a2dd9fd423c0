#include "token/openssl.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include <array>
#include <deque>
#include <vector>

namespace lethe::token::detail {
namespace {

using builder_ptr = std::unique_ptr<OSSL_PARAM_BLD, release<OSSL_PARAM_BLD_free>>;
using params_ptr = std::unique_ptr<OSSL_PARAM, release<OSSL_PARAM_free>>;

// The builder keeps pointers only: numbers and bytes live as long as it does.
class params {
 public:
    params() : builder_(OSSL_PARAM_BLD_new()) {}

    void number(const char* name, std::string_view big_endian) {
        numbers_.push_back(to_number(big_endian));
        ok_ = ok_ && numbers_.back() &&
              OSSL_PARAM_BLD_push_BN(builder_.get(), name, numbers_.back().get()) == 1;
    }
    void text(const char* name, const char* value) {
        ok_ = ok_ && OSSL_PARAM_BLD_push_utf8_string(builder_.get(), name, value, 0) == 1;
    }
    void bytes(const char* name, std::string value) {
        const std::string& kept = bytes_.emplace_back(std::move(value));
        ok_ = ok_ &&
              OSSL_PARAM_BLD_push_octet_string(builder_.get(), name, kept.data(), kept.size()) == 1;
    }
    [[nodiscard]] pkey_ptr import(const char* type, int selection) {
        const params_ptr all(ok_ ? OSSL_PARAM_BLD_to_param(builder_.get()) : nullptr);
        const pkey_context_ptr context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
        EVP_PKEY* out = nullptr;
        if (all && context && EVP_PKEY_fromdata_init(context.get()) == 1)
            EVP_PKEY_fromdata(context.get(), &out, selection, all.get());
        ERR_clear_error();
        return pkey_ptr(out);
    }

 private:
    builder_ptr builder_;
    std::vector<number_ptr> numbers_;
    std::deque<std::string> bytes_;
    bool ok_ = true;
};

std::string uncompressed_point(const key_material& from) {
    return '\x04' + from.x + from.y;
}

std::string read_number(const EVP_PKEY* from, const char* name, std::size_t bytes = 0) {
    BIGNUM* got = nullptr;
    if (EVP_PKEY_get_bn_param(from, name, &got) != 1) return {};
    const number_ptr number(got);
    const auto size = static_cast<std::size_t>(BN_num_bytes(number.get()));
    std::string out(std::max(bytes, size), '\0');
    BN_bn2binpad(number.get(), raw(out), static_cast<int>(out.size()));
    return out;
}

void add_rsa(params& to, const key_material& from) {
    to.number(OSSL_PKEY_PARAM_RSA_N, from.n);
    to.number(OSSL_PKEY_PARAM_RSA_E, from.e);
}

void add_ec(params& to, const key_material& from) {
    to.text(OSSL_PKEY_PARAM_GROUP_NAME, curve_name(from.curve));
    to.bytes(OSSL_PKEY_PARAM_PUB_KEY, uncompressed_point(from));
}

bool is_pair(EVP_PKEY* key) {
    const pkey_context_ptr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    const bool ok = context && EVP_PKEY_pairwise_check(context.get()) == 1;
    ERR_clear_error();
    return ok;
}

}  // namespace

const char* hash_name(algorithm a) noexcept {
    switch (hash_bytes(a)) {
        case 32: return "SHA256";
        case 48: return "SHA384";
        default: return "SHA512";
    }
}

std::size_t hash_bytes(algorithm a) noexcept {
    switch (a) {
        case algorithm::rs256:
        case algorithm::ps256:
        case algorithm::es256:
        case algorithm::hs256: return 32;
        case algorithm::rs384:
        case algorithm::ps384:
        case algorithm::es384:
        case algorithm::hs384: return 48;
        case algorithm::rs512:
        case algorithm::ps512:
        case algorithm::es512:
        case algorithm::hs512:
        case algorithm::ed25519: break;
    }
    return 64;
}

const EVP_MD* hash_of(algorithm a) noexcept {
    static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    static EVP_MD* const sha384 = EVP_MD_fetch(nullptr, "SHA384", nullptr);
    static EVP_MD* const sha512 = EVP_MD_fetch(nullptr, "SHA512", nullptr);
    switch (hash_bytes(a)) {
        case 32: return sha256;
        case 48: return sha384;
        default: return sha512;
    }
}

EVP_MAC* hmac() noexcept {
    static EVP_MAC* const fetched = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    return fetched;
}

std::size_t coordinate_bytes(curve c) noexcept {
    switch (c) {
        case curve::p256:
        case curve::ed25519: return 32;
        case curve::p384: return 48;
        case curve::p521: return 66;
        case curve::none: break;
    }
    return 0;
}

const char* curve_name(curve c) noexcept {
    switch (c) {
        case curve::p256: return "P-256";
        case curve::p384: return "P-384";
        case curve::p521: return "P-521";
        case curve::ed25519: return "Ed25519";
        case curve::none: break;
    }
    return "";
}

result<pkey_ptr> import_public(const key_material& from) {
    params in;
    if (from.type == key_type::rsa)
        add_rsa(in, from);
    else
        add_ec(in, from);
    pkey_ptr out = in.import(from.type == key_type::rsa ? "RSA" : "EC", EVP_PKEY_PUBLIC_KEY);
    if (!out && from.type == key_type::ec) return LETHE_ERR(errc::key_not_on_curve);
    if (!out) return LETHE_ERR(errc::key_malformed);
    if (from.type == key_type::ec) {
        const pkey_context_ptr context(EVP_PKEY_CTX_new_from_pkey(nullptr, out.get(), nullptr));
        const bool ok = context && EVP_PKEY_public_check(context.get()) == 1;
        ERR_clear_error();
        if (!ok) return LETHE_ERR(errc::key_not_on_curve);
    }
    return out;
}

result<pkey_ptr> import_private(const key_material& from) {
    params in;
    if (from.type == key_type::rsa) {
        add_rsa(in, from);
        in.number(OSSL_PKEY_PARAM_RSA_D, from.d.reveal());
        in.number(OSSL_PKEY_PARAM_RSA_FACTOR1, from.p.reveal());
        in.number(OSSL_PKEY_PARAM_RSA_FACTOR2, from.q.reveal());
        in.number(OSSL_PKEY_PARAM_RSA_EXPONENT1, from.dp.reveal());
        in.number(OSSL_PKEY_PARAM_RSA_EXPONENT2, from.dq.reveal());
        in.number(OSSL_PKEY_PARAM_RSA_COEFFICIENT1, from.qi.reveal());
    } else {
        add_ec(in, from);
        in.number(OSSL_PKEY_PARAM_PRIV_KEY, from.d.reveal());
    }
    pkey_ptr out = in.import(from.type == key_type::rsa ? "RSA" : "EC", EVP_PKEY_KEYPAIR);
    if (!out || !is_pair(out.get())) return LETHE_ERR(errc::key_inconsistent);
    return out;
}

result<key_material> generate_rsa(std::size_t bits) {
    const pkey_ptr made(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", bits));
    if (!made) return LETHE_ERR(errc::crypto_failed);
    key_material out;
    out.type = key_type::rsa;
    out.n = read_number(made.get(), OSSL_PKEY_PARAM_RSA_N);
    out.e = read_number(made.get(), OSSL_PKEY_PARAM_RSA_E);
    out.d = secret(read_number(made.get(), OSSL_PKEY_PARAM_RSA_D));
    out.p = secret(read_number(made.get(), OSSL_PKEY_PARAM_RSA_FACTOR1));
    out.q = secret(read_number(made.get(), OSSL_PKEY_PARAM_RSA_FACTOR2));
    out.dp = secret(read_number(made.get(), OSSL_PKEY_PARAM_RSA_EXPONENT1));
    out.dq = secret(read_number(made.get(), OSSL_PKEY_PARAM_RSA_EXPONENT2));
    out.qi = secret(read_number(made.get(), OSSL_PKEY_PARAM_RSA_COEFFICIENT1));
    return out;
}

result<key_material> generate_ec(curve on) {
    const pkey_ptr made(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve_name(on)));
    if (!made) return LETHE_ERR(errc::crypto_failed);
    const std::size_t bytes = coordinate_bytes(on);
    key_material out;
    out.type = key_type::ec;
    out.curve = on;
    out.x = read_number(made.get(), OSSL_PKEY_PARAM_EC_PUB_X, bytes);
    out.y = read_number(made.get(), OSSL_PKEY_PARAM_EC_PUB_Y, bytes);
    out.d = secret(read_number(made.get(), OSSL_PKEY_PARAM_PRIV_KEY, bytes));
    return out;
}

bool has_roca_mark(std::string_view modulus) {
    static constexpr std::array<unsigned, 38> primes = {
        3,  5,  7,  11, 13, 17,  19,  23,  29,  31,  37,  41,  43,  47,  53,  59,  61,  67,  71,
        73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167};
    const number_ptr number = to_number(modulus);
    if (!number) return false;
    for (const unsigned prime : primes) {
        const auto rest = static_cast<unsigned>(BN_mod_word(number.get(), prime));
        unsigned power = 1;
        bool found = false;
        for (unsigned i = 0; i < prime && !found; ++i) {
            found = power == rest;
            power = power * (65537U % prime) % prime;
        }
        if (!found) return false;
    }
    return true;
}

}  // namespace lethe::token::detail
