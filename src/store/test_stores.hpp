// For tests: engines on a folder of their own and on a time that the test moves.
#pragma once

#include "store/open.hpp"
#include "support/process.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <string>

namespace lethe::store {

class test_scene {
 public:
    test_scene() = default;
    test_scene(const test_scene&) = delete;
    test_scene& operator=(const test_scene&) = delete;

    [[nodiscard]] std::string file() const { return folder_.path() / "store.db"; }
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }

    // "sqlite:" gets the scene's file.
    [[nodiscard]] std::unique_ptr<engine> open(const std::string& url) {
        std::string why;
        open_options options;
        options.now = [this] { return now(); };
        auto opened =
            lethe::store::open(url == "sqlite:" ? url + file() : url, std::move(options), why);
        EXPECT_TRUE(opened.has_value()) << why;
        return opened.has_value() ? *std::move(opened) : nullptr;
    }

    [[nodiscard]] system_time now() const {
        return system_time{std::chrono::milliseconds{now_.load()}};
    }
    void advance(std::chrono::milliseconds by) {
        now_ += by.count();
        clock_.advance(by);
    }
    [[nodiscard]] manual_clock& clock() { return clock_; }

 private:
    const lethe::test::temporary_folder folder_{"lethe-store-"};
    std::atomic<std::int64_t> now_{1'700'000'000'000};
    manual_clock clock_;
};

}  // namespace lethe::store
