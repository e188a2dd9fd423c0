#include "store/memory/kind.hpp"

#include "store/memory/database.hpp"

namespace lethe::store::memory {
namespace {

result<engine_promises> judge(std::string_view url, std::string& why) {
    if (url == "memory:") return promises_made;
    why = "memory: takes nothing behind it";
    return LETHE_ERR(errc::malformed);
}

}  // namespace

const engine_kind kind{
    .takes = [](std::string_view url) { return has_scheme(url, {"memory"}); },
    .judge = judge,
    .open = [](std::string_view, open_options options,
               std::string&) -> result<std::unique_ptr<engine>> {
        return std::unique_ptr<engine>(std::make_unique<memory_engine>(std::move(options)));
    },
};

}  // namespace lethe::store::memory
