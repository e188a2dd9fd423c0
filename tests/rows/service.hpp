// The service behind the gateway: answers what a test tells it to, and remembers what it got.
#pragma once

#include "support/client.hpp"
#include "wire/peers.hpp"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::test {

struct seen_request {
    std::string method;
    std::string target;
    field_list fields;
    std::string body;

    [[nodiscard]] bool has(std::string_view name) const;
    // The first of that name, "" when there is none.
    [[nodiscard]] std::string field(std::string_view name) const;
};

struct reply {
    int status = 200;
    field_list fields = {};
    std::string body = "{\"ok\":true}";
};
[[nodiscard]] std::string to_bytes(const reply& answer);

class service {
 public:
    // Answers on the connection; false: it is closed then.
    using script = std::function<bool(const seen_request&, raw_socket&)>;

    service();

    // Both from the next request on.
    void answer(reply always);
    void answer_by(std::function<reply(const seen_request&)> by);
    void act(script how);

    [[nodiscard]] std::string url() const;
    [[nodiscard]] std::size_t count() const;
    [[nodiscard]] seen_request last() const;
    [[nodiscard]] std::vector<seen_request> all() const;
    // Until it got so many requests; false after 10 s.
    [[nodiscard]] bool wait_for_count(std::size_t count) const;

 private:
    void serve(raw_socket& connection);

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    std::vector<seen_request> seen_;
    script script_;
    scripted_origin origin_;
};

// Closed at first. Whoever comes waits until it is opened, or 20 s.
class gate {
 public:
    void wait();
    void open();

 private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
};

}  // namespace lethe::test
