// `lethe serve` as a process of its own, with a configuration written by the test.
#pragma once

#include "support/client.hpp"
#include "support/process.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lethe::test {

class running_gateway {
 public:
    // `routes` is everything behind listen, admin, workers and log; `${DIR}` in it becomes the
    // folder.
    explicit running_gateway(std::string rest);
    ~running_gateway();

    // Waits until /readyz says ready. False, with the log printed, when it does not within 10 s.
    [[nodiscard]] bool start();
    // Starts it and waits for it to end by itself: for what must not start.
    struct refusal {
        int exit = 0;
        std::string output;
    };
    [[nodiscard]] refusal start_refused();
    void rewrite(std::string rest);
    [[nodiscard]] process& running() { return *process_; }
    [[nodiscard]] std::string log() const;
    // Until the log has that text so often; false after 5 s. What was logged is there a little
    // later.
    [[nodiscard]] bool wait_for_text(std::string_view text, int times = 1) const;
    // The same for an event.
    [[nodiscard]] bool wait_for_event(std::string_view event, int times = 1) const;

    static constexpr const char* api_token = "a-token-of-the-tests";

    std::uint16_t port = 0;
    std::uint16_t admin_port = 0;
    // Where clients connect; "": 127.0.0.1 and the port. Written by rewrite().
    std::string address;
    // What a service manager gives it: its number 3, and variables such as "LISTEN_FDNAMES=web".
    int third = -1;
    std::vector<std::string> variables;
    // More of the listener, such as ", tls: {…}"; written by rewrite().
    std::string listener_options;
    temporary_folder folder{"lethe-gateway-test"};

 private:
    [[nodiscard]] std::vector<std::string> command() const;

    std::optional<process> process_;
};

[[nodiscard]] std::string lethe_binary();

}  // namespace lethe::test
