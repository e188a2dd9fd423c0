// The compact form of a signed token taken apart (RFC 7515 section 3.1), strictly, before any
// cryptography (rules J1, J2, J3, J8, J9).
#pragma once

#include "token/algorithm.hpp"
#include "token/errors.hpp"

#include <boost/json/object.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::token {

inline constexpr std::size_t header_bytes_max = 2 * 1024;
inline constexpr std::size_t json_depth_max = 8;
inline constexpr std::size_t key_id_bytes_max = 256;

// Meant to be used again for the next token: its strings keep their memory.
struct jws {
    std::string_view signing_input;  // part of the token: header '.' payload
    std::string header_text;         // decoded
    std::string payload;             // decoded
    std::string signature;           // raw bytes

    // What the header says. A name lethe does not know is nullopt.
    std::optional<token::algorithm> algorithm;
    std::string algorithm_name;
    std::optional<std::string> key_id;
    std::optional<std::string> type;  // `typ`
    bool has_key_header = false;      // jku, jwk, x5u, x5c, x5t, x5t#S256
};

// `out` holds views into `token` afterwards. The payload is any bytes. Errors: too_large,
// not_compact, encrypted, bad_encoding, bad_header, critical_header.
[[nodiscard]] result<> parse_jws(std::string_view token, std::size_t token_bytes_max, jws& out);

// The strict base64url of J2 into a string that keeps its memory.
[[nodiscard]] bool decode_base64url(std::string_view text, std::string& out);

}  // namespace lethe::token
