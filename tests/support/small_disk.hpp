// A disk that a test can fill: a tmpfs of its own.
#pragma once

#include "support/process.hpp"

#include <cstddef>
#include <filesystem>

namespace lethe::test {

// Mounting needs root (or CAP_SYS_ADMIN): where that is missing, usable() is false and the test
// says so.
class small_disk {
 public:
    explicit small_disk(std::size_t bytes);
    // Stop first what has files open there.
    ~small_disk();
    small_disk(const small_disk&) = delete;
    small_disk& operator=(const small_disk&) = delete;

    [[nodiscard]] bool usable() const noexcept { return mounted_; }
    // Anybody may write there.
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return folder_.path(); }
    // Takes all the room that is left; room again.
    void fill();
    void empty();

 private:
    temporary_folder folder_;
    bool mounted_ = false;
};

}  // namespace lethe::test
