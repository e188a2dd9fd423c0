// What a route shows of a session to its upstream, as texts: made once for a session as it is.
#pragma once

#include "session/options.hpp"
#include "session/record.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace lethe::session {

struct shown_text {
    std::string route;      // names all that it depends on but the session
    std::string pseudonym;  // of the session
    std::string slots;      // those that the upstream may read, as JSON; "" where it reads none
};
// Of one session; those of further routes are made anew.
inline constexpr std::size_t shown_texts_max = 2;

class presenter {
 public:
    // `route` outlives it.
    explicit presenter(const route_options& route);

    // From `kept`, where what was made of `data` before is kept, and where it is put; with null it
    // is made in `made`. Good until either is touched again.
    [[nodiscard]] const shown_text& show(const state& data, std::vector<shown_text>* kept,
                                         shown_text& made) const;

 private:
    [[nodiscard]] shown_text make(const state& data) const;

    const route_options& route_;
    std::string name_;
};

}  // namespace lethe::session
