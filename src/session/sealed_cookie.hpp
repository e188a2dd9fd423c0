// A session in the browser's cookies: sealed with a key of the operator's ring, cut into cookies
// that browsers take. Foreign bytes until they are opened.
//
//     v1-<cookies>.<key id>.<base64url of nonce (24) | XChaCha20-Poly1305(content)>
//     content = last seen | state;  AAD = the cookie's name | all before the nonce
//
// The first cookie has the session's name and says how many there are; the others are the rest of
// the text. Cookies of different answers do not open together: all are sealed as one.
#pragma once

#include "session/cookie.hpp"
#include "session/keyring.hpp"
#include "session/record.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::session {

// Browsers take 4096 bytes, the name and the attributes included.
inline constexpr std::size_t chunk_bytes = 3800;
// What the bytes of the state may come to at most.
inline constexpr std::size_t sealed_bytes_max = chunk_bytes * detail::cookies_max / 4 * 3;

struct sealed_session {
    state data;          // without `writes`: there is no store whose answers could be lost
    system_time seen{};  // when these cookies were made
};

// Whether the first cookie's value is meant to be one of these (and not a ticket).
[[nodiscard]] bool looks_sealed(std::string_view cookie) noexcept;

// The cookies' values, the first first. errc::too_large when they would be more than cookies_max.
[[nodiscard]] result<std::vector<std::string>> seal_cookies(const sealed_session& content,
                                                            std::string_view cookie_name,
                                                            const keyring& ring,
                                                            random_source& random);
// errc::not_opened for what was not made with that name and key, errc::corrupt for what is
// malformed, errc::key_missing and errc::key_retired.
[[nodiscard]] result<sealed_session> open_cookies(const detail::found_cookies& sent,
                                                  std::string_view cookie_name,
                                                  const keyring& ring);

}  // namespace lethe::session
