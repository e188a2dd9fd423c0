// What no single option can tell: names that must exist, routes that hide one another, stores that
// do not promise enough. Run on what was read; silent about what has a mistake already.
#pragma once

#include "gateway/config/config.hpp"
#include "gateway/config/reader.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::gateway::config {

void check_whole(const configuration& of, reader& with);
void check_route(const configuration& of, std::size_t route, reader& with);
void check_limits(const configuration& of, std::size_t route, reader& with);
// Names that are given twice, matches that never get a request.
void check_routes_together(const configuration& of, reader& with);
// `section` is what has an option `name`, `kind` what it names: "upstream". Where it has mistakes
// and lacks a name because of them, that may be the one.
void want_known(const std::string& path, std::string_view kind, std::string_view section,
                const std::string& name, const std::vector<std::string>& known, reader& with);
// Gives routes without a name one; no two get the same.
void name_routes(configuration& of);

// Whether every request that `later` matches is matched by `earlier` too.
[[nodiscard]] bool covers(const route_match& earlier, const route_match& later);

// "routes[0].match"
[[nodiscard]] std::string path_of(std::string_view list, std::size_t index,
                                  std::string_view option = {});

}  // namespace lethe::gateway::config
