// All stores of a configuration, open: for commands about a person, whose records may lie in each.
#pragma once

#include "gateway/subjects.hpp"
#include "session/options.hpp"
#include "store/tools/workbench.hpp"

#include <memory>
#include <string>

namespace CLI {
class App;
}

namespace lethe::cli {

struct stores_arguments {
    std::string file = "lethe.yaml";
    std::string only;  // one store's name; "" for all that routes use
};
void add_stores_options(CLI::App& command, const std::shared_ptr<stores_arguments>& to);

struct open_stores {
    store::tools::workbench bench;
    gateway::store_map all;
    session::settings sessions;  // as configured

    [[nodiscard]] steady_time soon() {
        return bench.worker().time().steady_now() + std::chrono::seconds{30};
    }
};
// Null, with the reason said and `code` set, when they cannot be opened.
[[nodiscard]] std::unique_ptr<open_stores> open_all(const stores_arguments& from, int& code);

// Says what a store answered.
int fail_at_stores(const error_code& error);

}  // namespace lethe::cli
