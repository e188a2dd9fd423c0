#include "session/shown.hpp"

#include "session/engine.hpp"
#include "session/rules.hpp"

#include <algorithm>

namespace lethe::session {

presenter::presenter(const route_options& route) : route_(route), name_(route.service) {
    // No slot's name has a line's end.
    for (const std::string& slot : route.read) name_ += '\n' + slot;
}

shown_text presenter::make(const state& data) const {
    return {.route = name_,
            .pseudonym = pseudonym(data.identity, route_.service),
            .slots = route_.read.empty() ? std::string() : detail::slots_json(data, route_.read)};
}

const shown_text& presenter::show(const state& data, std::vector<shown_text>* kept,
                                  shown_text& made) const {
    if (kept == nullptr) {
        made = make(data);
        return made;
    }
    const auto known = std::ranges::find(*kept, name_, &shown_text::route);
    if (known != kept->end()) return *known;
    if (kept->size() == shown_texts_max) kept->clear();
    return kept->emplace_back(make(data));
}

}  // namespace lethe::session
