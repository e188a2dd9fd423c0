// The shop on stage: replicas of examples/shop behind one or more lethe processes that share a
// store, in a temporary folder, on free ports. For the tour, the fault test and whoever tests the
// whole.
#pragma once

#include "support/client.hpp"
#include "support/process.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::test {

struct stage_options {
    std::filesystem::path lethe;    // the gateway's program
    std::vector<std::string> shop;  // the shop's program and what stands before its own arguments
    std::size_t replicas = 3;
    std::size_t gateways = 1;
    // YAML of an idempotent route's `idempotency:` beside its mode: "wait: 10s".
    std::string idempotency = "wait: 10s";
    std::string log_level = "info";
};

// Everything throws std::runtime_error with a reason that says what to look at: a test that cannot
// start has failed. All calls from one thread, which outlives it; answers of `token` may be passed
// on.
class shop_stage {
 public:
    explicit shop_stage(stage_options options);
    ~shop_stage();
    shop_stage(const shop_stage&) = delete;
    shop_stage& operator=(const shop_stage&) = delete;

    // Makes keys and configurations, starts all processes and waits until they are ready.
    void open();

    // Waits until it answers.
    void start_replica(std::size_t index);
    void start_gateway(std::size_t index);
    [[nodiscard]] process& replica(std::size_t index) { return *replicas_.at(index); }
    [[nodiscard]] process& gateway(std::size_t index) { return *gateways_.at(index); }

    [[nodiscard]] std::uint16_t replica_port(std::size_t index) const;
    [[nodiscard]] std::string replica_name(std::size_t index) const;  // as in X-Replica
    [[nodiscard]] std::uint16_t gateway_port(std::size_t index = 0) const;
    [[nodiscard]] std::uint16_t admin_port(std::size_t index = 0) const;

    // A token of the shop's issuer that a client can send as it is.
    [[nodiscard]] std::string token(const std::string& subject) const;
    [[nodiscard]] std::string expired_token(const std::string& subject) const;
    // Says what token() says, signed with a key that only has the right name.
    [[nodiscard]] std::string forged_token(const std::string& subject) const;

    // How many orders exist, and those of a person, asked at a replica directly.
    [[nodiscard]] long count_orders();
    [[nodiscard]] std::string orders_of(const std::string& user);

    [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_.path(); }
    // The logs and databases stay for whoever looks for the reason of a failure.
    void keep_folder() noexcept { folder_.keep(); }

 private:
    void make_keys();
    void write_configuration(std::size_t gateway);
    void wait_until_ready(process& who, std::uint16_t port, std::string path,
                          const std::filesystem::path& log);
    [[nodiscard]] std::string ask_a_replica(const std::string& target, const std::string& user);
    [[nodiscard]] std::string sign(const std::string& key, const std::string& subject,
                                   const std::string& ttl) const;
    std::string run_lethe(std::vector<std::string> arguments) const;

    stage_options options_;
    temporary_folder folder_;
    std::vector<std::uint16_t> ports_;
    std::vector<std::optional<process>> replicas_;
    std::vector<std::optional<process>> gateways_;
};

// Authorization: Bearer <token>
[[nodiscard]] field_list bearer(const std::string& token);

}  // namespace lethe::test
