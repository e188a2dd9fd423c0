// The Cookie lines of a request, pair by pair (RFC 6265 section 4.2.1).
#pragma once

#include "base/bytes.hpp"
#include "http/fields.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::http {

// Calls `visit(std::string_view pair)` for each pair of all Cookie lines in their order, without
// the white space around it; also for one without '='.
template <class Visit>
void for_each_cookie(const fields& request, Visit visit) {
    for (const field_line& line : request) {
        if (line.id != field_id::cookie) continue;
        std::string_view rest = line.value;
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find(';'), rest.size());
            const std::string_view pair = trim(rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
            if (!pair.empty()) visit(pair);
        }
    }
}

// The name that some reader could see in a pair: without white space before '='.
[[nodiscard]] std::string_view cookie_name(std::string_view pair) noexcept;

// The value of the first cookie of that name, as sent.
[[nodiscard]] std::optional<std::string_view> find_cookie(const fields& request,
                                                          std::string_view name);

// One line of all cookies but those for whose name `drop(std::string_view)` is true, in their
// order; empty when none is left.
template <class Drop>
[[nodiscard]] std::string cookies_without(const fields& request, Drop drop) {
    std::string kept;
    for_each_cookie(request, [&](std::string_view pair) {
        if (drop(cookie_name(pair))) return;
        if (!kept.empty()) kept += "; ";
        kept += pair;
    });
    return kept;
}

}  // namespace lethe::http
