#include "http/cookies.hpp"

namespace lethe::http {

std::string_view cookie_name(std::string_view pair) noexcept {
    return trim(pair.substr(0, std::min(pair.find('='), pair.size())));
}

std::optional<std::string_view> find_cookie(const fields& request, std::string_view name) {
    std::optional<std::string_view> out;
    for_each_cookie(request, [&](std::string_view pair) {
        const std::size_t equals = pair.find('=');
        if (!out && equals != std::string_view::npos && pair.substr(0, equals) == name)
            out = pair.substr(equals + 1);
    });
    return out;
}

}  // namespace lethe::http
