// What the tour tells: each request with its answer, what held, and a short table at the end.
#pragma once

#include "support/client.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::tour {

class report {
 public:
    // Colours only where standard output is a terminal.
    report();

    // Begins a step; what follows belongs to it.
    void step(std::string title);
    void say(std::string_view text) const;
    // "  GET /cart  ->  200  shop-2  {…}"
    void request(std::string_view what, const test::http_answer& answer) const;
    // Counts against the step when `held` is false.
    void check(bool held, const std::string& what);

    void table() const;
    [[nodiscard]] bool all_held() const;

 private:
    enum class colour { plain, green, red, dim, bold };
    [[nodiscard]] std::string paint(colour c, std::string_view text) const;

    struct entry {
        std::string title;
        std::size_t checks = 0;
        std::vector<std::string> broken;
    };

    bool colours_;
    std::vector<entry> steps_;
};

}  // namespace lethe::tour
