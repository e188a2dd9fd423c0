// Finds the route of a request.
#pragma once

#include "gateway/config/config.hpp"
#include "http/message.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::gateway {

// Never changes, so any thread may ask.
class route_table {
 public:
    explicit route_table(const std::vector<config::route_options>& routes);

    // The first route that matches, by its place in the configuration: on the normalised path, and
    // on the authority's host without its port, in any case. GET stands for HEAD too. Allocates
    // nothing.
    [[nodiscard]] std::optional<std::size_t> find(const http::request_head& request) const noexcept;

    // For Allow in a 405: "GET, HEAD, POST", the methods of all routes that match but for the
    // method;
    // "" when there is none.
    [[nodiscard]] std::string allowed_methods(const http::request_head& request) const;

 private:
    struct entry {
        std::string path;
        bool is_prefix = false;
        std::vector<std::string> hosts;
        bool any_method = true;
        std::uint32_t methods = 0;               // by http::method, HEAD beside GET
        std::vector<std::string> other_methods;  // that http::method does not know
    };

    [[nodiscard]] static bool matches_path(const entry& one, std::string_view path) noexcept;
    [[nodiscard]] static bool matches_host(const entry& one, std::string_view host) noexcept;
    [[nodiscard]] static bool matches_method(const entry& one,
                                             const http::request_head& request) noexcept;

    std::vector<entry> entries_;
};

}  // namespace lethe::gateway
