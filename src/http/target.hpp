// The target of a request (RFC 9112 section 3.2) in one normal form, which decides route and
// authentication and goes upstream, so that no two of them can read it differently.
#pragma once

#include "base/arena.hpp"
#include "base/error.hpp"
#include "http/errors.hpp"
#include "http/message.hpp"

#include <cstdint>
#include <string_view>

namespace lethe::http {

struct target {
    std::string_view path;   // normalised; "*" for OPTIONS *
    std::string_view query;  // as sent: printable ASCII without '#'
    bool has_query = false;
    // Of the absolute form, in lower case; empty in origin form.
    std::string_view authority;
    std::uint16_t default_port = 0;  // of the absolute form's scheme
};

// Views go into `text` or, where the normal form differs, into `memory`. Error: errc::malformed,
// also for the authority form (CONNECT).
[[nodiscard]] result<target> parse_target(std::string_view text, method m, arena& memory);

// The normal form of an absolute path, `text` itself when it is in it already:
// - dot segments are removed; a path that climbs above its root is refused;
// - escapes of unreserved bytes are decoded, all others are written in upper case: "%2F" and "%5C"
// stay;
// - printable bytes that RFC 3986 does not allow raw are escaped; a raw backslash, a raw or escaped
//   control byte, raw non-ASCII, '#', '?' and a broken escape are refused;
// - slashes in a row are one: many servers read them so, and a route for "/admin" must not miss
//   "//admin";
// - "." and ".." next to an escaped slash or backslash or before ';' are refused: some servers read
//   them as dot segments.
// Applying it twice changes nothing.
[[nodiscard]] result<std::string_view> normalise_path(std::string_view text, arena& memory);

// A Host value or an authority without user information: a name of letters, digits, '-', '.', '_'
// and
// '~', an IPv4 address or an IPv6 address in brackets; then perhaps ':' and a port up to 65535.
[[nodiscard]] bool is_authority(std::string_view text) noexcept;
// In lower case; `text` itself when it is so already.
[[nodiscard]] std::string_view normalise_authority(std::string_view text, arena& memory);
// The same host and port; a missing port is `default_port`.
[[nodiscard]] bool same_authority(std::string_view a, std::string_view b,
                                  std::uint16_t default_port) noexcept;

}  // namespace lethe::http
