#include "store/open.hpp"

#include "store/engine_kind.hpp"
#include "store/memcached/kind.hpp"
#include "store/memory/kind.hpp"
#include "store/moving/moving.hpp"
#include "store/postgres/kind.hpp"
#include "store/redis/kind.hpp"
#include "store/sqlite/kind.hpp"

#include <algorithm>
#include <utility>

namespace lethe::store {
namespace {

const engine_kind* const kinds[] = {
    &memory::kind, &sqlite::kind, &postgres::kind, &memcached::kind, &redis::kind,
};

result<const engine_kind*> kind_of(std::string_view url, std::string& why) {
    const auto found =
        std::ranges::find_if(kinds, [&](const engine_kind* one) { return one->takes(url); });
    if (found != std::end(kinds)) return *found;
    // The URL itself may hold a password.
    why =
        "not a store's URL: use sqlite:PATH, postgres://, redis://, rediss://, redis+sentinel://, "
        "redis+cluster:// or memcached://, or memory: for a try";
    return LETHE_ERR(errc::malformed);
}

}  // namespace

bool has_scheme(std::string_view url, std::initializer_list<std::string_view> schemes) noexcept {
    return std::ranges::any_of(schemes, [&](std::string_view scheme) {
        return url.starts_with(scheme) && url.substr(scheme.size()).starts_with(':');
    });
}

result<> validate_url(std::string_view url, std::string& why) {
    const result<engine_promises> judged = promises_of_url(url, why);
    if (judged.has_error()) return judged.error();
    return {};
}

std::string shown_url(std::string_view url) {
    std::string out(url);
    const std::size_t host = out.find("//");
    const std::size_t at = out.rfind('@');
    if (host != out.npos && at != out.npos && at > host) out.erase(host + 2, at - host - 1);
    return out.substr(0, out.find('?'));
}

result<engine_promises> promises_of_url(std::string_view url, std::string& why) {
    LETHE_TRY(const engine_kind* kind, kind_of(url, why));
    return kind->judge(url, why);
}

result<std::unique_ptr<engine>> open(std::string_view url, open_options options, std::string& why) {
    LETHE_TRY(const engine_kind* kind, kind_of(url, why));
    const result<engine_promises> judged = kind->judge(url, why);
    if (judged.has_error()) return judged.error();
    return kind->open(url, std::move(options), why);
}

result<std::unique_ptr<engine>> open_moving(std::string_view url, std::string_view previous,
                                            open_options options, std::string& why) {
    LETHE_TRY(std::unique_ptr<engine> primary, open(url, options, why));
    if (previous.empty()) return primary;
    open_options old = options;
    old.name += "-previous";
    LETHE_TRY(std::unique_ptr<engine> source, open(previous, std::move(old), why));
    return make_moving(std::move(primary), std::move(source), std::move(options));
}

}  // namespace lethe::store
