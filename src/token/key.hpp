// One key for signatures, as a JSON Web Key says it (RFC 7517, RFC 7518 section 6, RFC 8037).
#pragma once

#include "base/random.hpp"
#include "base/secret.hpp"
#include "token/algorithm.hpp"
#include "token/errors.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::token {

enum class key_type : std::uint8_t { rsa, ec, okp, oct };
enum class curve : std::uint8_t { none, p256, p384, p521, ed25519 };

// The numbers of a key as they are in the JWK, decoded: big-endian, of fixed length on curves.
struct key_material {
    key_type type = key_type::oct;
    token::curve curve = token::curve::none;
    std::string n, e;            // RSA, public
    std::string x, y;            // EC and OKP, public
    secret d, p, q, dp, dq, qi;  // private; `d` alone on curves
    secret k;                    // oct
};

// A value; copies share nothing.
class key {
 public:
    // Rules J5 and J6: kind, use, algorithm and quality are checked; for a private JWK, that its
    // private part is complete (whether it belongs to the public part is checked when it signs).
    [[nodiscard]] static result<key> from_json(const boost::json::object& jwk);

    [[nodiscard]] key_type type() const noexcept { return material_.type; }
    [[nodiscard]] const key_material& material() const noexcept { return material_; }
    // `kid`; "" when it has none.
    [[nodiscard]] const std::string& id() const noexcept { return id_; }
    // `alg`, which binds the key when it is there.
    [[nodiscard]] std::optional<algorithm> declared() const noexcept { return declared_; }
    [[nodiscard]] bool is_private() const noexcept { return !material_.d.empty(); }
    [[nodiscard]] bool is_symmetric() const noexcept { return type() == key_type::oct; }
    // RSA modulus, curve, or secret.
    [[nodiscard]] std::size_t bits() const noexcept;
    // RFC 7638 with SHA-256, in base64url: names the key by what it is.
    [[nodiscard]] const std::string& thumbprint() const noexcept { return thumbprint_; }

    // Whether tokens of that algorithm may be checked or signed with it.
    [[nodiscard]] bool fits(algorithm a) const noexcept;
    // The algorithm it declares, or else the usual one of its kind; nullopt for a secret that
    // declares none.
    [[nodiscard]] std::optional<algorithm> usual_algorithm() const noexcept;

    // What others may see; empty for a secret.
    [[nodiscard]] boost::json::object to_public_json() const;
    // Everything: whoever reads this can sign.
    [[nodiscard]] boost::json::object to_private_json() const;

 private:
    friend struct generate_options;
    friend result<key> generate_key(const struct generate_options&, random_source&);

    key() = default;

    key_material material_;
    std::string id_;
    std::optional<algorithm> declared_;
    std::string thumbprint_;
};

struct generate_options {
    token::algorithm algorithm = token::algorithm::es256;
    std::size_t rsa_bits = 2048;  // 2048 to 8192
    std::string id;               // "": the thumbprint; for a secret, a random name
};
// A new private key (or secret) bound to the algorithm. RSA and EC keys come from OpenSSL's own
// generator, Ed25519 keys and secrets from `random`.
[[nodiscard]] result<key> generate_key(const generate_options& options, random_source& random);

}  // namespace lethe::token
