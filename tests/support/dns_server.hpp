// A name server for tests, on a free UDP port of the loopback. Plain blocking sockets, none of
// lethe's own code.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace lethe::test {

struct dns_service {
    std::uint16_t priority = 0;
    std::uint16_t weight = 0;
    std::uint16_t port = 0;
    std::string target;
};

class dns_server {
 public:
    dns_server() : dns_server(true) {}
    // Answers nothing.
    struct silent {};
    explicit dns_server(silent) : dns_server(false) {}
    ~dns_server();
    dns_server(const dns_server&) = delete;
    dns_server& operator=(const dns_server&) = delete;

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    // IPv4 and IPv6 addresses; none: the name is unknown.
    void set_addresses(const std::string& name, std::vector<std::string> addresses);
    void set_services(const std::string& name, std::vector<dns_service> services);
    // Answers everything with SERVFAIL from now on, or no more.
    void fail(bool yes);
    // Until so many more questions have come; false: not within 20 s.
    [[nodiscard]] bool wait_for_questions(int count);

 private:
    explicit dns_server(bool answers);
    void serve();
    [[nodiscard]] std::string answer_to(const std::string& question);

    const bool answers_;
    int socket_ = -1;
    std::uint16_t port_ = 0;
    std::mutex mutex_;
    std::condition_variable asked_;
    bool stopping_ = false;
    bool failing_ = false;
    int questions_ = 0;
    std::map<std::string, std::vector<std::string>> addresses_;
    std::map<std::string, std::vector<dns_service>> services_;
    std::thread thread_;
};

}  // namespace lethe::test
