// The stores that each row is tried on, and how they go away and come back.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace lethe::test {

class tested_store {
 public:
    virtual ~tested_store() = default;

    // `name` tells several stores of one test apart; the folder is the test's own.
    [[nodiscard]] virtual std::string url(const std::filesystem::path& folder,
                                          const std::string& name) = 0;
    // Killed, or held by another process where it is a file. What it acknowledged it keeps.
    virtual void go_away(const std::filesystem::path& folder, const std::string& name) = 0;
    virtual void come_back() = 0;
    // A copy of all that is there, and back to it: what was written in between is lost. Nobody may
    // be connected meanwhile.
    virtual void keep_copy(const std::filesystem::path& folder) = 0;
    virtual void go_back_to_copy(const std::filesystem::path& folder) = 0;
    // All that is written down: what a thief of the store alone would have.
    [[nodiscard]] virtual std::string dump(const std::filesystem::path& folder) = 0;
};

// "sqlite", "postgres" or "redis". Servers are started on first use, once for all tests.
[[nodiscard]] tested_store& store_called(const std::string& name);

}  // namespace lethe::test
