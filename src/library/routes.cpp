#include "library/routes.hpp"

#include "http/fields.hpp"

#include <algorithm>

namespace lethe::library {
namespace {

// The next segment of what is left of a path that starts with '/'.
std::string_view take_segment(std::string_view& path) {
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    return segment;
}

}  // namespace

bool route_table::add(std::string_view method, std::string_view pattern, handler h) {
    if (!http::is_token(method) || !pattern.starts_with('/') || !h) return false;
    entry made{std::string(method), {}, std::move(h)};
    while (!pattern.empty()) {
        std::string_view text = take_segment(pattern);
        const bool is_name = text.starts_with('{') && text.ends_with('}');
        if (is_name) text = text.substr(1, text.size() - 2);
        if (text.find_first_of("{}?#") != std::string_view::npos || (is_name && text.empty()))
            return false;
        const bool repeated = is_name && std::ranges::any_of(made.segments, [&](const segment& s) {
                                  return s.is_name && s.text == text;
                              });
        if (repeated) return false;
        made.segments.push_back({std::string(text), is_name});
    }
    entries_.push_back(std::move(made));
    return true;
}

bool route_table::matches(const entry& one, std::string_view path) {
    if (!path.starts_with('/')) return false;
    for (const segment& s : one.segments) {
        if (path.empty()) return false;
        const std::string_view text = take_segment(path);
        if (s.is_name ? text.empty() : text != s.text) return false;
    }
    return path.empty();
}

bool route_table::more_literal(const entry& a, const entry& b) {
    for (std::size_t i = 0; i < std::min(a.segments.size(), b.segments.size()); ++i)
        if (a.segments[i].is_name != b.segments[i].is_name) return !a.segments[i].is_name;
    return false;
}

found_route route_table::find(std::string_view method, std::string_view path) const {
    const entry* best = nullptr;
    const entry* best_get = nullptr;
    found_route found;
    for (const entry& one : entries_) {
        if (!matches(one, path)) continue;
        if (one.method == method && (best == nullptr || more_literal(one, *best))) best = &one;
        if (one.method == "GET" && (best_get == nullptr || more_literal(one, *best_get)))
            best_get = &one;
        if (found.allowed.find(one.method) == std::string::npos)
            found.allowed += (found.allowed.empty() ? "" : ", ") + one.method;
    }
    if (best == nullptr && method == "HEAD") best = best_get;
    if (best == nullptr) {
        if (best_get != nullptr) found.allowed += ", HEAD";
        return found;
    }
    found.end = &best->end;
    for (const segment& s : best->segments) {
        const std::string_view text = take_segment(path);
        if (s.is_name) found.places.emplace_back(s.text, text);
    }
    return found;
}

}  // namespace lethe::library
