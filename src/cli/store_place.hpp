// Which store a command works on: one of a configuration, or a URL.
#pragma once

#include "base/error.hpp"
#include "store/store.hpp"
#include "store/tools/workbench.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace lethe::cli {

// What the options say.
struct place_arguments {
    std::string file = "lethe.yaml";
    std::string name = "default";
    std::string url;
    bool previous = false;
};

struct store_place {
    std::string url;
    std::string previous;  // where it moves from, "" for nowhere
    std::string name;      // "default"; of a URL without a configuration: "store"

    // "default (redis://cache:6379/0)"; no password.
    [[nodiscard]] std::string shown() const;
};

// Adds -c and --store.
void add_configuration_options(CLI::App& command, const std::shared_ptr<place_arguments>& to);
// These, --url and --previous.
void add_place_options(CLI::App& command, const std::shared_ptr<place_arguments>& to);
// What --help says about them.
extern const char* const place_help;

enum class must_exist : std::uint8_t { no, yes };

// Errors are said on standard error, as "lethe: …". Never a pair: the store itself, or with
// `previous` the one that it moves from.
[[nodiscard]] result<store_place> find_place(const place_arguments& from);
// A URL, or the name of a store in the configuration `file`; a pair where that has one.
[[nodiscard]] result<store_place> find_place(const std::string& url_or_name,
                                             const std::string& file);
// Opens it. With must_exist::yes a file that is not there is not made.
[[nodiscard]] result<store::store*> open_place(store::tools::workbench& on, const store_place& at,
                                               must_exist exists);

// Prints "lethe: " and the text; answers `code`.
int fail(int code, std::string_view text);
// A sentence for what a store answered.
[[nodiscard]] std::string why_failed(const store_place& at, const error_code& error);

inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;

}  // namespace lethe::cli
