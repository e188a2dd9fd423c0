// One way to keep records, as open.cpp lists them.
#pragma once

#include "store/open.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace lethe::store {

struct engine_kind {
    // True for a URL that is meant for this kind, right or wrong.
    bool (*takes)(std::string_view url);
    // Judges the URL without touching disk or network: what the engine will promise, or
    // errc::malformed and `why`, which never repeats the URL: it may hold a password.
    result<engine_promises> (*judge)(std::string_view url, std::string& why);
    // The URL has been judged.
    result<std::unique_ptr<engine>> (*open)(std::string_view url, open_options options,
                                            std::string& why);
};

// True when the URL begins with one of the schemes and a colon.
[[nodiscard]] bool has_scheme(std::string_view url,
                              std::initializer_list<std::string_view> schemes) noexcept;

}  // namespace lethe::store
