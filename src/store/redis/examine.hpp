// What a server's own words mean for the promises of a store. No sockets.
#pragma once

#include "store/redis/resp.hpp"
#include "store/redis/settings.hpp"
#include "store/store.hpp"

#include <map>
#include <string>
#include <string_view>

namespace lethe::store::redis {

// What a server says about itself.
struct server_report {
    // INFO: "name:value" in lines.
    void add_info(std::string_view text);
    // CONFIG GET, which many forbid.
    void add_settings(const resp::value& reply);

    // "" when it is not told.
    [[nodiscard]] std::string_view info(std::string_view name) const;
    [[nodiscard]] std::string_view setting(std::string_view name) const;

    std::map<std::string, std::string, std::less<>> told;
    std::map<std::string, std::string, std::less<>> settings;
    bool settings_known = false;
};

// What to ask for it.
[[nodiscard]] std::string info_command();
[[nodiscard]] std::string settings_command();

[[nodiscard]] examination judge_report(const server_report& report, const settings& with,
                                       engine_promises declared);

}  // namespace lethe::store::redis
