#include "store/redis/kind.hpp"

#include "store/redis/settings.hpp"
#include "store/redis/store.hpp"

#include <utility>

namespace lethe::store::redis {
namespace {

result<engine_promises> judge(std::string_view url, std::string& why) {
    LETHE_TRY(const settings with, parse_settings(url, why));
    return promises_of(with.how);
}

result<std::unique_ptr<engine>> open(std::string_view url, open_options options, std::string& why) {
    LETHE_TRY(settings with, parse_settings(url, why));
    if (with.tls) {
        LETHE_TRY(net::tls_client client, net::make_tls_client(with.tls_files, why));
        with.tls_client = std::move(client);
    }
    return std::unique_ptr<engine>(
        std::make_unique<redis_engine>(std::move(with), std::move(options)));
}

}  // namespace

const engine_kind kind{.takes = is_redis_url, .judge = judge, .open = open};

}  // namespace lethe::store::redis
