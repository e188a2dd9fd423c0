// What reading a configuration needs at every node: where it stands, and where mistakes go.
#pragma once

#include "gateway/config/document.hpp"
#include "gateway/config/mistake.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::gateway::config {

// A node and how messages call it: "routes[0].match".
struct place {
    const node& value;
    std::string path;

    [[nodiscard]] place member(std::string_view key, const node& of) const {
        return {of, path.empty() ? std::string(key) : path + "." + std::string(key)};
    }
    [[nodiscard]] place item(std::size_t index) const {
        return {*value.items[index], path + "[" + std::to_string(index) + "]"};
    }
};

class reader {
 public:
    // `mistakes` outlives the reader; `root` may be null.
    reader(std::string file, std::filesystem::path directory, bool look_at_files, node_ptr root,
           std::vector<mistake>& mistakes);

    void fail(const place& at, std::string what, std::string expected);
    // "is a list, expected …"
    void fail_kind(const place& at, const std::string& expected);
    // "\"5x\" is not a duration, expected …"
    void fail_value(const place& at, std::string_view what, const std::string& expected);
    void fail_at(mark at, std::string path, std::string what, std::string expected);

    // For checks after reading: finds where `path` stands, or the nearest thing above it. Silent
    // when there is a mistake at that path or below already, which it would only repeat.
    void fail_later(const std::string& path, std::string what, std::string expected);
    // Whether the file itself has something at that path.
    [[nodiscard]] bool is_given(const std::string& path) const;
    [[nodiscard]] bool has_mistake_at(const std::string& path) const;

    [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }
    [[nodiscard]] bool look_at_files() const noexcept { return look_at_files_; }
    // Relative to the configuration's directory.
    [[nodiscard]] std::string absolute(std::string_view path) const;

 private:
    std::string file_;
    std::filesystem::path directory_;
    bool look_at_files_;
    node_ptr root_;
    std::vector<mistake>& mistakes_;
};

// "500ms", "1s", "5m", "24h", "30d"; nullopt for anything else, also above 400 years.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
// In the largest unit that says it exactly.
[[nodiscard]] std::string to_duration_text(std::chrono::milliseconds value);
// "64KiB", "10MiB", "1GiB", "512" (bytes).
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::string to_size_text(std::uint64_t bytes);

// The name that a mistyped one most likely means; "" when none is near.
[[nodiscard]] std::string nearest_name(std::string_view written,
                                       const std::vector<std::string>& known);
// "did you mean 'timeout'?", else "expected one of a, b, c".
[[nodiscard]] std::string suggest(std::string_view written, const std::vector<std::string>& known);
// "a, b or c"
[[nodiscard]] std::string join_choices(const std::vector<std::string>& all);
// In quotes, shortened, fit for one line.
[[nodiscard]] std::string quote(std::string_view text);

}  // namespace lethe::gateway::config
