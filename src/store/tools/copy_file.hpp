// What a copy that was interrupted goes on from: a small file, written anew after each page, so
// that no crash leaves a half one.
#pragma once

#include "store/tools/copy.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace lethe::store::tools {

// Tells one copy from another; nothing in it can be read back.
[[nodiscard]] std::string copy_id(std::string_view from_url, std::string_view to_url, bool moving);

// nullopt without such a file. An error, and `why`, for a file that cannot be read, is something
// else, or belongs to another copy.
[[nodiscard]] result<std::optional<copy_state>> load_copy(const std::string& file,
                                                          const std::string& id, std::string& why);
[[nodiscard]] result<> save_copy(const std::string& file, const std::string& id,
                                 const copy_state& state, std::string& why);

}  // namespace lethe::store::tools
