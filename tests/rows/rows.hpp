// The rows of docs/specification.md tried from outside: the real program between a scripted service
// and clients on plain sockets, in front of a real store. One test a row, named after it, once for
// each store; nothing here knows lethe's code.
#pragma once

#include "gateway/running_gateway.hpp"
#include "rows/service.hpp"
#include "rows/stores.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace lethe::test {

using namespace std::chrono_literals;

[[nodiscard]] bool contains(std::string_view text, std::string_view what);
// A fresh UUID.
[[nodiscard]] std::string new_key();
// Of urn:lethe:problem:slug in a problem's body; "" when it is none.
[[nodiscard]] std::string slug_of(const http_answer& answer);
[[nodiscard]] bool is_replay(const http_answer& answer);
[[nodiscard]] std::string base64(std::string_view bytes);
[[nodiscard]] std::string from_base64_text(std::string_view text);

// What a client sends, the key as it stands in the field.
struct call {
    std::string key = {};  // "": no key
    std::string body = "{\"sku\":1}";
    std::string method = "POST";
    std::string target = "/orders";
    std::string who = "alice";  // whose token; "": nobody's
    field_list fields = {};
    std::string type = "application/json";
    std::chrono::milliseconds patience = 15s;
};

// A request under way in a thread of its own.
class pending_call {
 public:
    explicit pending_call(std::function<http_answer()> send);
    ~pending_call();
    [[nodiscard]] http_answer answer();

 private:
    http_answer answer_;
    std::thread thread_;
};

class rows : public ::testing::TestWithParam<std::string> {
 protected:
    rows();
    ~rows() override;

    // Routes and sections behind them. The upstream `app` leads to `service_`; the issuer `id`
    // knows all tokens of token_of().
    void start(const std::string& routes, const std::string& more = {});
    // The same on other ports, over the same store.
    [[nodiscard]] std::unique_ptr<running_gateway> start_another();
    // The configuration of start(), as another would have it.
    [[nodiscard]] std::string configuration(const std::string& routes,
                                            const std::string& more) const;
    // A route that takes keys of whoever has a token; `options` of its idempotency section.
    [[nodiscard]] static std::string keyed(const std::string& options,
                                           const std::string& match = "prefix: /orders");
    // The same for a route without tokens, whose callers have sessions.
    [[nodiscard]] static std::string with_session(const std::string& match,
                                                  const std::string& session,
                                                  const std::string& more = {});

    [[nodiscard]] http_answer send(const call& what, std::uint16_t port = 0);
    [[nodiscard]] std::unique_ptr<pending_call> begin(const call& what, std::uint16_t port = 0);
    [[nodiscard]] static http_request request_of(const call& what);
    [[nodiscard]] static std::string token_of(const std::string& who);
    // lethe WORDS..., its output.
    [[nodiscard]] static finished_command lethe(std::vector<std::string> words);
    [[nodiscard]] std::string configuration_file() const;
    // Sends until the answer is no longer `slug`, at most 10 s long.
    [[nodiscard]] http_answer send_while(const std::string& slug, const call& what,
                                         std::uint16_t port = 0);
    // On the admin listener.
    [[nodiscard]] http_answer admin(const std::string& method, const std::string& target) const;
    void kill_and_start_again();

    temporary_folder folder_{"lethe-rows"};
    tested_store& store_;
    service service_;
    std::string configuration_;
    std::unique_ptr<running_gateway> gateway_;
};

// Their names are the first part of the rows' names.
class idempotency : public rows {};
class sessions : public rows {};

}  // namespace lethe::test
