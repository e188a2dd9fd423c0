// Insides of this folder: keys and hashes in OpenSSL's form.
#pragma once

#include "token/key.hpp"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <memory>

namespace lethe::token::detail {

template <auto Free>
struct release {
    template <class T>
    void operator()(T* object) const noexcept {
        Free(object);
    }
};
using pkey_ptr = std::unique_ptr<EVP_PKEY, release<EVP_PKEY_free>>;
using pkey_context_ptr = std::unique_ptr<EVP_PKEY_CTX, release<EVP_PKEY_CTX_free>>;
using digest_context_ptr = std::unique_ptr<EVP_MD_CTX, release<EVP_MD_CTX_free>>;
using mac_context_ptr = std::unique_ptr<EVP_MAC_CTX, release<EVP_MAC_CTX_free>>;
using number_ptr = std::unique_ptr<BIGNUM, release<BN_clear_free>>;

[[nodiscard]] inline const unsigned char* raw(std::string_view s) noexcept {
    return reinterpret_cast<const unsigned char*>(s.data());
}
[[nodiscard]] inline unsigned char* raw(std::string& s) noexcept {
    return reinterpret_cast<unsigned char*>(s.data());
}
[[nodiscard]] inline number_ptr to_number(std::string_view big_endian) {
    return number_ptr(BN_bin2bn(raw(big_endian), static_cast<int>(big_endian.size()), nullptr));
}

// Fetched once for the process: fetching takes a lock.
[[nodiscard]] const EVP_MD* hash_of(algorithm a) noexcept;
[[nodiscard]] EVP_MAC* hmac() noexcept;
// "SHA256"
[[nodiscard]] const char* hash_name(algorithm a) noexcept;
[[nodiscard]] std::size_t hash_bytes(algorithm a) noexcept;

// Of a coordinate: 32, 48, 66; 32 for Ed25519.
[[nodiscard]] std::size_t coordinate_bytes(curve c) noexcept;
// "P-256"
[[nodiscard]] const char* curve_name(curve c) noexcept;

// RSA and EC. Errors: key_not_on_curve, key_malformed; with the private part also key_inconsistent.
[[nodiscard]] result<pkey_ptr> import_public(const key_material& from);
[[nodiscard]] result<pkey_ptr> import_private(const key_material& from);
// What OpenSSL generated.
[[nodiscard]] result<key_material> generate_rsa(std::size_t bits);
[[nodiscard]] result<key_material> generate_ec(curve on);

// Whether the modulus has the mark of the broken generator of CVE-2017-16007 (ROCA): it is a power
// of 65537 modulo each of many small primes, which other keys are with probability 2^-100 or so.
[[nodiscard]] bool has_roca_mark(std::string_view modulus);

}  // namespace lethe::token::detail
