#include "store/redis/functions.hpp"

#include "store/redis/resp.hpp"

namespace lethe::store::redis {

void append_load(std::string& to) {
    resp::command(to, 3).word("FUNCTION").word("LOAD").word(functions_text);
}

bool is_loaded(std::string_view error) noexcept {
    return error.starts_with("ERR Library ") && error.ends_with("already exists");
}

}  // namespace lethe::store::redis
