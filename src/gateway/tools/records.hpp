// What the records of a store are, as far as that can be told without opening a secret.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::gateway::tools {

// "session", "session_revocation", "idempotency", "idempotency_tombstone", "other"; by the key's
// prefix.
[[nodiscard]] std::string kind_of(std::string_view key);

// A key as a person can read and type it: text as it is, "s:" and a hash with the hash in
// hexadecimal digits, other bytes as 0x and hexadecimal digits. parse_key() reads all three.
[[nodiscard]] std::string shown_key(std::string_view key);
// nullopt for "" and for 0x with something else behind it.
[[nodiscard]] std::optional<std::string> parse_key(std::string_view text);

// What a record's value says, without what may be secret or private: of an idempotency key its
// state, epoch and times, of its outcome the status, the names of the fields and the body's length;
// of a session, which is sealed with its cookie, only the kind of record. Empty for other kinds.
[[nodiscard]] boost::json::object decoded_value(std::string_view key, std::string_view value);

}  // namespace lethe::gateway::tools
