// Signatures over bytes (rule J10): one object for one key and one algorithm.
#pragma once

#include "token/key.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace lethe::token {

// One worker; holds its own copy of the key in the cryptographic library's form, so that workers
// share no lock and no reference count. Checking allocates nothing.
class signature_checker {
 public:
    // errc::wrong_key when the key does not fit the algorithm.
    [[nodiscard]] static result<signature_checker> make(const key& with, algorithm a);
    signature_checker(signature_checker&&) noexcept;
    signature_checker& operator=(signature_checker&&) noexcept;
    ~signature_checker();

    [[nodiscard]] bool check(std::string_view input, std::string_view signature) noexcept;

 private:
    struct impl;
    explicit signature_checker(std::unique_ptr<impl> i) noexcept;
    std::unique_ptr<impl> impl_;
};

// One worker.
class signer {
 public:
    // Errors: wrong_key, key_not_private, key_inconsistent.
    [[nodiscard]] static result<signer> make(const key& with, algorithm a);
    signer(signer&&) noexcept;
    signer& operator=(signer&&) noexcept;
    ~signer();

    // The raw signature, as JWS wants it.
    [[nodiscard]] result<std::string> sign(std::string_view input);
    // The compact form. `type` "" leaves `typ` out; the key's `kid` is named when it has one.
    [[nodiscard]] result<std::string> sign_compact(std::string_view payload, std::string_view type);

 private:
    struct impl;
    explicit signer(std::unique_ptr<impl> i) noexcept;
    std::unique_ptr<impl> impl_;
};

}  // namespace lethe::token
