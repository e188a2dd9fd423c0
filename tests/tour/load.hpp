// Visitors that all send at the same time, each on a thread and a connection of its own.
#pragma once

#include "support/client.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace lethe::tour {

// Who sends: the token and the session.
struct visitor {
    std::string token;
    std::map<std::string, std::string> cookies;
};

struct observation {
    test::http_request request;
    test::http_answer answer;
};

class load {
 public:
    explicit load(std::uint16_t port) : port_(port) {}
    ~load() { finish(); }
    load(const load&) = delete;
    load& operator=(const load&) = delete;

    // Sends `make(0)`, `make(1)`, … one after another, until finish() or `count_max` are sent. A
    // refused connection is tried again after a moment: nothing was sent.
    void add(visitor who, std::function<test::http_request(std::size_t)> make,
             std::size_t count_max = std::numeric_limits<std::size_t>::max());

    // Nothing new is sent; waits for what is under way.
    void finish();
    // Waits until each has sent its count_max.
    void wait();

    // What each of them saw; after finish() or wait().
    [[nodiscard]] std::vector<observation> seen() const;

 private:
    struct one {
        visitor who;
        std::function<test::http_request(std::size_t)> make;
        std::size_t count_max = 0;
        std::vector<observation> seen;
        std::thread thread;
    };

    void run(one& o) const;

    std::uint16_t port_;
    std::atomic<bool> stop_{false};
    std::vector<std::unique_ptr<one>> all_;
};

}  // namespace lethe::tour
