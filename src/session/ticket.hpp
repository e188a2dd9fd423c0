// What a session's cookie holds: an id that finds the record and a secret that opens it. The store
// knows neither: the record's key is a hash of the id, its content is sealed with the secret.
#pragma once

#include "base/random.hpp"
#include "base/secret.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::session {

inline constexpr std::size_t id_bytes = 16;
inline constexpr std::size_t secret_bytes = 16;

class ticket {
 public:
    ticket(const ticket&) = default;
    ticket& operator=(const ticket&) = default;
    ticket(ticket&&) noexcept = default;
    ticket& operator=(ticket&&) noexcept = default;
    ~ticket();

    [[nodiscard]] static ticket make(random_source& random);
    // Of a cookie's value; nullopt for anything else.
    [[nodiscard]] static std::optional<ticket> parse(std::string_view cookie_value);
    // id_bytes + secret_bytes raw bytes, as an alias's record keeps them.
    [[nodiscard]] static std::optional<ticket> from_bytes(std::string_view bytes);

    // A cookie's value with the version floor; without one for 0.
    [[nodiscard]] std::string to_cookie_value(std::uint64_t floor = 0) const;
    [[nodiscard]] std::string_view to_bytes() const noexcept {
        return {both_.data(), both_.size()};
    }
    // "s:" and SHA-256 of the id.
    [[nodiscard]] std::string record_key() const { return {key_.data(), key_.size()}; }
    // 32 bytes, from the secret alone.
    [[nodiscard]] secret sealing_key() const;
    // 16 bytes that prove the secret: in records that a key of the operator's opens.
    [[nodiscard]] std::string verifier() const;
    // 8 bytes that bind a version floor to this ticket.
    [[nodiscard]] std::string floor_mark(std::uint64_t floor) const;

 private:
    explicit ticket(std::string_view both);

    std::array<char, id_bytes + secret_bytes> both_;  // wiped when it dies
    std::array<char, 34> key_;                        // asked for several times in each request
};

// What a cookie holds: base64url of id and secret (43 characters); since it was first written, of
// id, secret, version floor and its mark (64).
struct shown_ticket {
    ticket holder;
    // The session's version when the cookie was made: one that is read below has lost changes. A
    // cookie whose mark is wrong is none. Who has the ticket could make another floor, and would
    // harm their own session alone.
    std::uint64_t floor = 0;  // 0: none
};
[[nodiscard]] std::optional<shown_ticket> parse_cookie(std::string_view cookie_value);

}  // namespace lethe::session
