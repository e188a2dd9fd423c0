#include "gateway/route_table.hpp"

#include "base/bytes.hpp"

#include <algorithm>
#include <array>

namespace lethe::gateway {
namespace {

struct named_method {
    http::method method;
    std::string_view name;
};

// In the order of an Allow field.
constexpr std::array<named_method, 9> known_methods = {{{http::method::get, "GET"},
                                                        {http::method::head, "HEAD"},
                                                        {http::method::post, "POST"},
                                                        {http::method::put, "PUT"},
                                                        {http::method::patch, "PATCH"},
                                                        {http::method::delete_, "DELETE"},
                                                        {http::method::options, "OPTIONS"},
                                                        {http::method::trace, "TRACE"},
                                                        {http::method::connect, "CONNECT"}}};

constexpr std::uint32_t bit(http::method of) {
    return 1U << static_cast<unsigned>(of);
}

// "shop.example:8080" and "shop.example." are "shop.example".
std::string_view host_of(std::string_view authority) noexcept {
    const std::size_t bracket = authority.rfind(']');
    const std::size_t colon = authority.rfind(':');
    if (colon != authority.npos && (bracket == authority.npos || colon > bracket))
        authority = authority.substr(0, colon);
    if (authority.ends_with('.')) authority.remove_suffix(1);
    return authority;
}

void append(std::string& list, std::string_view name) {
    if (!list.empty()) list += ", ";
    list += name;
}

}  // namespace

route_table::route_table(const std::vector<config::route_options>& routes) {
    for (const config::route_options& one : routes) {
        entry made;
        made.is_prefix = !one.match.path;
        made.path = one.match.path ? *one.match.path : one.match.prefix.value_or("/");
        for (const std::string& host : one.match.hosts) made.hosts.push_back(to_lower(host));
        made.any_method = one.match.methods.empty();
        for (const std::string& name : one.match.methods) {
            const http::method method = http::parse_method(name);
            if (method == http::method::other)
                made.other_methods.push_back(name);
            else
                made.methods |= bit(method);
        }
        if ((made.methods & bit(http::method::get)) != 0) made.methods |= bit(http::method::head);
        entries_.push_back(std::move(made));
    }
}

bool route_table::matches_path(const entry& one, std::string_view path) noexcept {
    if (!one.is_prefix) return path == one.path;
    if (one.path.size() == 1) return true;  // "/"
    return path.starts_with(one.path) &&
           (path.size() == one.path.size() || path[one.path.size()] == '/');
}

bool route_table::matches_host(const entry& one, std::string_view host) noexcept {
    if (one.hosts.empty()) return true;
    for (const std::string& wanted : one.hosts) {
        if (!wanted.starts_with("*.")) {
            if (equal_ignoring_case(wanted, host)) return true;
            continue;
        }
        const std::string_view end = std::string_view(wanted).substr(1);  // ".shop.example"
        if (host.size() > end.size() &&
            equal_ignoring_case(host.substr(host.size() - end.size()), end))
            return true;
    }
    return false;
}

bool route_table::matches_method(const entry& one, const http::request_head& request) noexcept {
    if (one.any_method) return true;
    if (request.method != http::method::other) return (one.methods & bit(request.method)) != 0;
    return std::find(one.other_methods.begin(), one.other_methods.end(), request.method_text) !=
           one.other_methods.end();
}

std::optional<std::size_t> route_table::find(const http::request_head& request) const noexcept {
    const std::string_view host = host_of(request.authority);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        const entry& one = entries_[i];
        if (matches_method(one, request) && matches_path(one, request.path) &&
            matches_host(one, host))
            return i;
    }
    return std::nullopt;
}

std::string route_table::allowed_methods(const http::request_head& request) const {
    const std::string_view host = host_of(request.authority);
    std::uint32_t methods = 0;
    std::vector<std::string_view> others;
    for (const entry& one : entries_) {
        if (!matches_path(one, request.path) || !matches_host(one, host)) continue;
        methods |= one.methods;
        for (const std::string& name : one.other_methods)
            if (std::find(others.begin(), others.end(), name) == others.end())
                others.push_back(name);
    }
    std::string out;
    for (const named_method& known : known_methods)
        if ((methods & bit(known.method)) != 0) append(out, known.name);
    for (const std::string_view name : others) append(out, name);
    return out;
}

}  // namespace lethe::gateway
