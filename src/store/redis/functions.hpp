// The functions that change records on the server (functions.lua), as every server must have them.
//
// Their library's name carries a number, so that gateways of two versions can use one server. It is
// loaded on each new connection, which costs a server that has it next to nothing, and again when a
// call answers that it is not there: somebody has flushed it, or an empty server has taken over.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lethe::store::redis {

// Another text needs another number, here and in functions.lua.
inline constexpr std::uint32_t functions_version = 1;
inline constexpr std::string_view functions_library = "lethe_1";
extern const std::string_view functions_text;

namespace function {
inline constexpr std::string_view put = "lethe_1_put";
inline constexpr std::string_view erase = "lethe_1_erase";
inline constexpr std::string_view touch = "lethe_1_touch";
inline constexpr std::string_view transact = "lethe_1_transact";
inline constexpr std::string_view list = "lethe_1_list";
inline constexpr std::string_view trim = "lethe_1_trim";
// Of a cluster.
inline constexpr std::string_view index_add = "lethe_1_index_add";
inline constexpr std::string_view index_prolong = "lethe_1_index_prolong";
inline constexpr std::string_view index_due = "lethe_1_index_due";
inline constexpr std::string_view index_settle = "lethe_1_index_settle";
}  // namespace function

// FUNCTION LOAD, which brings one reply.
void append_load(std::string& to);
// The reply of FUNCTION LOAD says that they are there.
[[nodiscard]] bool is_loaded(std::string_view error) noexcept;

}  // namespace lethe::store::redis
