// Replicas of the witness behind a stage's gateways.
#pragma once

#include "support/process.hpp"
#include "support/shop_stage.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lethe::witness {

class replicas {
 public:
    // Picks ports; starts nothing yet.
    replicas(std::filesystem::path program, std::size_t count);

    // Adds the witness' upstream and routes: /w/hold, /w/resend and /w/reconcile take keys as their
    // names say, /w/login and /w/logout as /w/hold.
    void add_to(test::stage_options& stage, const std::string& lease) const;
    // Journals into the folder. Waits until all answer. Before the gateways start: those look soon
    // whether a replica is there, and give it up for a while if not.
    void start_all(const std::filesystem::path& folder);
    void start(std::size_t index);
    [[nodiscard]] test::process& at(std::size_t index) { return *processes_.at(index); }
    [[nodiscard]] std::size_t count() const noexcept { return processes_.size(); }
    [[nodiscard]] std::string name(std::size_t index) const {
        return "witness-" + std::to_string(index + 1);
    }
    [[nodiscard]] std::filesystem::path journal() const { return folder_ / "journal"; }

 private:
    std::filesystem::path program_;
    std::filesystem::path folder_;
    std::vector<std::uint16_t> ports_;
    std::vector<std::optional<test::process>> processes_;
};

}  // namespace lethe::witness
