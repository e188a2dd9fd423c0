#include "gateway/config/checks.hpp"
#include "limits/filter.hpp"

#include <fmt/format.h>

#include <map>

namespace lethe::gateway::config {
namespace {

void check_limit(const configuration& of, const route_options& route, const limits::options& one,
                 const std::string& path, reader& with) {
    using limits::client_rule;
    if (one.pace.count > 0) {
        const limits::pace pace = limits::make_pace(one);
        // Not of the product, which may be beyond any number; not in hours, of which there are few.
        if (pace.interval > std::chrono::nanoseconds(limits::depth_max) / pace.burst)
            with.fail_later(path + ".burst", "takes longer than 30 days to come back at this rate",
                            "expected a smaller burst or a higher rate");
    }
    if (one.by.by == client_rule::caller && !route.authenticate)
        with.fail_later(path + ".by", "is the caller, and nothing names one",
                        "expected authenticate on this route");
    if (one.by.by == client_rule::session && !route.session)
        with.fail_later(path + ".by", "is the session, and the route has none",
                        "expected session on this route");
    std::vector<std::string> known;
    for (const auto& [name, options] : of.stores) known.push_back(name);
    want_known(path + ".store", "store", "store", one.store, known, with);
}

}  // namespace

void check_limits(const configuration& of, std::size_t index, reader& with) {
    const route_options& route = of.routes[index];
    const std::string list = path_of("routes", index, "limits");
    if (route.limits.size() > limits::limits_per_route_max)
        with.fail_later(list, "has more limits than a route can have",
                        fmt::format("expected at most {}", limits::limits_per_route_max));
    std::map<std::string, std::size_t> names;
    for (std::size_t i = 0; i < route.limits.size(); ++i) {
        const limits::options& one = route.limits[i];
        const std::string path = path_of(list, i);
        if (with.has_mistake_at(path)) continue;
        check_limit(of, route, one, path, with);
        const std::string name = one.name.empty() ? limits::derived_name(one.by) : one.name;
        const auto [found, fresh] = names.emplace(name, i);
        if (!fresh)
            with.fail_later(
                path, fmt::format("limits[{}] is called {} already", found->second, quote(name)),
                "expected a name of its own");
    }
}

}  // namespace lethe::gateway::config
