#include "store/postgres/kind.hpp"

#include "store/postgres/store.hpp"

#include <utility>

namespace lethe::store::postgres {
namespace {

result<engine_promises> judge(std::string_view url, std::string& why) {
    LETHE_TRY(const settings to, parse_url(url, why));
    static_cast<void>(to);
    return promised;
}

result<std::unique_ptr<engine>> open(std::string_view url, open_options options, std::string& why) {
    LETHE_TRY(settings to, parse_url(url, why));
    return std::unique_ptr<engine>(
        std::make_unique<postgres_engine>(std::move(to), std::move(options)));
}

}  // namespace

const engine_kind kind{
    .takes = [](std::string_view url) { return has_scheme(url, {"postgres", "postgresql"}); },
    .judge = judge,
    .open = open,
};

}  // namespace lethe::store::postgres
