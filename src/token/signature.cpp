#include "token/signature.hpp"

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "token/openssl.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <sodium.h>

#include <array>
#include <cstring>
#include <span>

namespace lethe::token {
namespace {

using detail::raw;

enum class family : std::uint8_t { rsa_pkcs1, rsa_pss, ecdsa, ed25519, hmac };

family family_of(algorithm a) noexcept {
    switch (a) {
        case algorithm::rs256:
        case algorithm::rs384:
        case algorithm::rs512: return family::rsa_pkcs1;
        case algorithm::ps256:
        case algorithm::ps384:
        case algorithm::ps512: return family::rsa_pss;
        case algorithm::es256:
        case algorithm::es384:
        case algorithm::es512: return family::ecdsa;
        case algorithm::ed25519: return family::ed25519;
        default: return family::hmac;
    }
}

struct hash_value {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned size = 0;
};

class hasher {
 public:
    explicit hasher(algorithm a) : method_(detail::hash_of(a)), context_(EVP_MD_CTX_new()) {}

    [[nodiscard]] bool hash(std::string_view input, hash_value& out) noexcept {
        return EVP_DigestInit_ex2(context_.get(), method_, nullptr) == 1 &&
               EVP_DigestUpdate(context_.get(), input.data(), input.size()) == 1 &&
               EVP_DigestFinal_ex(context_.get(), out.bytes.data(), &out.size) == 1;
    }

 private:
    const EVP_MD* method_;
    detail::digest_context_ptr context_;
};

// One keyed context, started anew for each message with the key it already has.
class keyed_mac {
 public:
    [[nodiscard]] bool set_key(std::string_view key, algorithm a) {
        context_.reset(EVP_MAC_CTX_new(detail::hmac()));
        std::string name = detail::hash_name(a);
        const OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
            OSSL_PARAM_construct_end()};
        return context_ && EVP_MAC_init(context_.get(), raw(key), key.size(), params) == 1;
    }
    [[nodiscard]] bool compute(std::string_view input, hash_value& out) noexcept {
        std::size_t size = 0;
        if (EVP_MAC_init(context_.get(), nullptr, 0, nullptr) != 1 ||
            EVP_MAC_update(context_.get(), raw(input), input.size()) != 1 ||
            EVP_MAC_final(context_.get(), out.bytes.data(), &size, out.bytes.size()) != 1)
            return false;
        out.size = static_cast<unsigned>(size);
        return true;
    }

 private:
    detail::mac_context_ptr context_;
};

// J10: the salt is as long as the hash, and MGF1 uses the same hash.
bool set_up_padding(EVP_PKEY_CTX* context, algorithm a) {
    if (EVP_PKEY_CTX_set_signature_md(context, detail::hash_of(a)) != 1) return false;
    if (family_of(a) == family::rsa_pkcs1)
        return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(context, detail::hash_of(a)) == 1;
}

// DER of an ECDSA signature: SEQUENCE of two INTEGERs, here at most 2 * (66 + 3) + 3 bytes.
struct der_signature {
    std::array<unsigned char, 160> bytes{};
    std::size_t size = 0;

    void put(unsigned char byte) noexcept { bytes[size++] = byte; }
    void put_integer(std::string_view number) noexcept {
        while (number.size() > 1 && number.front() == '\0') number.remove_prefix(1);
        const bool padded = (static_cast<unsigned char>(number.front()) & 0x80) != 0;
        put(0x02);
        put(static_cast<unsigned char>(number.size() + (padded ? 1 : 0)));
        if (padded) put(0);
        for (const char c : number) put(static_cast<unsigned char>(c));
    }
};

// `raw_form` is r and s, each half. Whether 1 <= r, s < n, OpenSSL checks.
der_signature to_der(std::string_view raw_form) noexcept {
    der_signature numbers;
    numbers.put_integer(raw_form.substr(0, raw_form.size() / 2));
    numbers.put_integer(raw_form.substr(raw_form.size() / 2));
    der_signature out;
    out.put(0x30);
    if (numbers.size >= 0x80) out.put(0x81);
    out.put(static_cast<unsigned char>(numbers.size));
    std::memcpy(out.bytes.data() + out.size, numbers.bytes.data(), numbers.size);
    out.size += numbers.size;
    return out;
}

result<std::string> from_der(std::span<const unsigned char> der, std::size_t half) {
    const unsigned char* at = der.data();
    const std::unique_ptr<ECDSA_SIG, detail::release<ECDSA_SIG_free>> numbers(
        d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
    std::string out(half * 2, '\0');
    const int width = static_cast<int>(half);
    if (!numbers || BN_bn2binpad(ECDSA_SIG_get0_r(numbers.get()), raw(out), width) != width ||
        BN_bn2binpad(ECDSA_SIG_get0_s(numbers.get()), raw(out) + half, width) != width)
        return LETHE_ERR(errc::crypto_failed);
    return out;
}

}  // namespace

struct signature_checker::impl {
    algorithm alg;
    family kind;
    std::size_t signature_bytes = 0;
    detail::pkey_ptr key;
    detail::pkey_context_ptr context;
    hasher hash;
    keyed_mac mac;
    std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> point{};

    explicit impl(algorithm a) : alg(a), kind(family_of(a)), hash(a) {}

    [[nodiscard]] result<> set_up(const token::key& with);
    [[nodiscard]] bool check_pkey(std::string_view input, std::string_view signature) noexcept;
};

result<> signature_checker::impl::set_up(const token::key& with) {
    const key_material& material = with.material();
    if (kind == family::hmac) {
        signature_bytes = detail::hash_bytes(alg);
        if (!mac.set_key(material.k.reveal(), alg)) return LETHE_ERR(errc::crypto_failed);
        return result<>{};
    }
    if (kind == family::ed25519) {
        signature_bytes = crypto_sign_BYTES;
        std::memcpy(point.data(), material.x.data(), point.size());
        return result<>{};
    }
    LETHE_TRY(key, detail::import_public(material));
    signature_bytes =
        kind == family::ecdsa ? detail::coordinate_bytes(material.curve) * 2 : material.n.size();
    context.reset(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    if (!context || EVP_PKEY_verify_init(context.get()) != 1 ||
        (kind != family::ecdsa && !set_up_padding(context.get(), alg)))
        return LETHE_ERR(errc::crypto_failed);
    return result<>{};
}

bool signature_checker::impl::check_pkey(std::string_view input,
                                         std::string_view signature) noexcept {
    hash_value hashed;
    if (!hash.hash(input, hashed)) return false;
    int good = 0;
    if (kind == family::ecdsa) {
        const der_signature der = to_der(signature);
        good = EVP_PKEY_verify(context.get(), der.bytes.data(), der.size, hashed.bytes.data(),
                               hashed.size);
    } else {
        good = EVP_PKEY_verify(context.get(), raw(signature), signature.size(), hashed.bytes.data(),
                               hashed.size);
    }
    if (good == 1) return true;
    ERR_clear_error();
    return false;
}

signature_checker::signature_checker(std::unique_ptr<impl> i) noexcept : impl_(std::move(i)) {}
signature_checker::signature_checker(signature_checker&&) noexcept = default;
signature_checker& signature_checker::operator=(signature_checker&&) noexcept = default;
signature_checker::~signature_checker() = default;

result<signature_checker> signature_checker::make(const key& with, algorithm a) {
    if (!with.fits(a)) return LETHE_ERR(errc::wrong_key);
    auto made = std::make_unique<impl>(a);
    const result<> ready = made->set_up(with);
    if (ready.has_error()) return ready.error();
    return signature_checker(std::move(made));
}

bool signature_checker::check(std::string_view input, std::string_view signature) noexcept {
    if (signature.size() != impl_->signature_bytes) return false;
    if (impl_->kind == family::hmac) {
        hash_value expected;
        if (!impl_->mac.compute(input, expected)) return false;
        return sodium_memcmp(expected.bytes.data(), signature.data(), signature.size()) == 0;
    }
    if (impl_->kind == family::ed25519)
        return crypto_sign_verify_detached(raw(signature), raw(input), input.size(),
                                           impl_->point.data()) == 0;
    return impl_->check_pkey(input, signature);
}

struct signer::impl {
    algorithm alg;
    family kind;
    std::string key_id;
    std::size_t half_bytes = 0;  // of an ECDSA signature
    detail::pkey_ptr key;
    detail::pkey_context_ptr context;
    hasher hash;
    keyed_mac mac;
    std::array<unsigned char, crypto_sign_SECRETKEYBYTES> pair{};

    explicit impl(algorithm a) : alg(a), kind(family_of(a)), hash(a) {}
    ~impl() { sodium_memzero(pair.data(), pair.size()); }
    impl(const impl&) = delete;
    impl& operator=(const impl&) = delete;

    [[nodiscard]] result<> set_up(const token::key& with);
    [[nodiscard]] result<> set_up_ed25519(const key_material& material);
    [[nodiscard]] result<std::string> sign_pkey(std::string_view input);
};

result<> signer::impl::set_up_ed25519(const key_material& material) {
    std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> derived{};
    crypto_sign_seed_keypair(derived.data(), pair.data(), raw(material.d.reveal()));
    if (std::memcmp(derived.data(), material.x.data(), derived.size()) != 0)
        return LETHE_ERR(errc::key_inconsistent);
    return result<>{};
}

result<> signer::impl::set_up(const token::key& with) {
    const key_material& material = with.material();
    key_id = with.id();
    if (kind == family::hmac) {
        if (!mac.set_key(material.k.reveal(), alg)) return LETHE_ERR(errc::crypto_failed);
        return result<>{};
    }
    if (kind == family::ed25519) return set_up_ed25519(material);
    LETHE_TRY(key, detail::import_private(material));
    half_bytes = detail::coordinate_bytes(material.curve);
    context.reset(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    if (!context || EVP_PKEY_sign_init(context.get()) != 1 ||
        (kind != family::ecdsa && !set_up_padding(context.get(), alg)))
        return LETHE_ERR(errc::crypto_failed);
    return result<>{};
}

result<std::string> signer::impl::sign_pkey(std::string_view input) {
    hash_value hashed;
    std::string out(static_cast<std::size_t>(EVP_PKEY_get_size(key.get())), '\0');
    std::size_t size = out.size();
    if (!hash.hash(input, hashed) ||
        EVP_PKEY_sign(context.get(), raw(out), &size, hashed.bytes.data(), hashed.size) != 1) {
        ERR_clear_error();
        return LETHE_ERR(errc::crypto_failed);
    }
    if (kind == family::ecdsa) return from_der({raw(out), size}, half_bytes);
    out.resize(size);
    return out;
}

signer::signer(std::unique_ptr<impl> i) noexcept : impl_(std::move(i)) {}
signer::signer(signer&&) noexcept = default;
signer& signer::operator=(signer&&) noexcept = default;
signer::~signer() = default;

result<signer> signer::make(const key& with, algorithm a) {
    if (!with.fits(a)) return LETHE_ERR(errc::wrong_key);
    if (!with.is_symmetric() && !with.is_private()) return LETHE_ERR(errc::key_not_private);
    auto made = std::make_unique<impl>(a);
    const result<> ready = made->set_up(with);
    if (ready.has_error()) return ready.error();
    return signer(std::move(made));
}

result<std::string> signer::sign(std::string_view input) {
    if (impl_->kind == family::hmac) {
        hash_value made;
        if (!impl_->mac.compute(input, made)) return LETHE_ERR(errc::crypto_failed);
        return std::string(reinterpret_cast<const char*>(made.bytes.data()), made.size);
    }
    if (impl_->kind == family::ed25519) {
        std::string out(crypto_sign_BYTES, '\0');
        crypto_sign_detached(raw(out), nullptr, raw(input), input.size(), impl_->pair.data());
        return out;
    }
    return impl_->sign_pkey(input);
}

result<std::string> signer::sign_compact(std::string_view payload, std::string_view type) {
    std::string header = R"({"alg":")" + std::string(to_name(impl_->alg)) + '"';
    if (!type.empty()) {
        header += R"(,"typ":)";
        log::append_json_string(header, type);
    }
    if (!impl_->key_id.empty()) {
        header += R"(,"kid":)";
        log::append_json_string(header, impl_->key_id);
    }
    header += '}';
    std::string out = to_base64url(header) + '.' + to_base64url(payload);
    LETHE_TRY(const std::string signature, sign(out));
    out += '.';
    out += to_base64url(signature);
    return out;
}

}  // namespace lethe::token
