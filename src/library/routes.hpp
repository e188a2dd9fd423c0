// The routes of a service: which handler answers which method and path.
#pragma once

#include "lethe/service.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe::library {

// What stood in the places of a pattern: the name (a view of the table) and the text as sent.
using path_places = std::vector<std::pair<std::string_view, std::string_view>>;

struct found_route {
    const handler* end = nullptr;  // null: none
    path_places places;
    std::string allowed;  // methods of the path, when it has a route but not for this method
};

// Filled before the service runs, then read by all workers.
class route_table {
 public:
    // False: the method is no token, the pattern does not start with '/', or a {name} is empty,
    // repeated or not a whole segment.
    [[nodiscard]] bool add(std::string_view method, std::string_view pattern, handler h);

    // `path` as the server normalised it. Of several that fit, the one whose first differing
    // segment is literal.
    [[nodiscard]] found_route find(std::string_view method, std::string_view path) const;

 private:
    struct segment {
        std::string text;
        bool is_name = false;
    };
    struct entry {
        std::string method;
        std::vector<segment> segments;
        handler end;
    };

    [[nodiscard]] static bool matches(const entry& one, std::string_view path);
    [[nodiscard]] static bool more_literal(const entry& a, const entry& b);

    std::vector<entry> entries_;
};

}  // namespace lethe::library
