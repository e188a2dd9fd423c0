// For tests: a service that runs on a thread, and databases to put behind it.
#pragma once

#include "lethe/lethe.hpp"
#include "support/client.hpp"
#include "support/servers.hpp"

#include <future>
#include <memory>
#include <string>
#include <thread>

namespace lethe {

inline service_options on_any_port() {
    service_options options;
    options.port = 0;
    options.drain_time = std::chrono::seconds{5};
    return options;
}

// Runs a service on a thread until it goes out of scope.
class running {
 public:
    explicit running(service& s) : service_(s) {
        std::promise<std::uint16_t> ready;
        service_.on_ready([&ready](std::uint16_t port) { ready.set_value(port); });
        thread_ = std::thread([this] { ended_ = service_.run().has_value(); });
        port_ = ready.get_future().get();
    }
    ~running() { stop(); }
    running(const running&) = delete;
    running& operator=(const running&) = delete;
    // Whether run() ended well.
    bool stop() {
        service_.stop();
        return join();
    }
    bool join() {
        if (thread_.joinable()) thread_.join();
        return ended_;
    }
    [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
    service& service_;
    std::thread thread_;
    std::uint16_t port_ = 0;
    bool ended_ = false;
};

// One PostgreSQL server for all tests of the program.
inline test::postgres_server& shared_postgres() {
    static test::postgres_server server;
    return server;
}

// A database without tables.
class test_database {
 public:
    explicit test_database(const std::string& kind) {
        if (kind == "sqlite") {
            folder_ = std::make_unique<test::temporary_folder>("lethe-library-test");
            url_ = "sqlite:" + (folder_->path() / "service.db").string();
            return;
        }
        static int count = 0;
        name_ = "service_" + std::to_string(++count);
        shared_postgres().sql("CREATE DATABASE " + name_);
        url_ = through(shared_postgres().port());
    }

    [[nodiscard]] const std::string& url() const { return url_; }
    [[nodiscard]] bool is_postgres() const { return !folder_; }
    // The same by way of a proxy.
    [[nodiscard]] std::string through(std::uint16_t port) const {
        return "postgresql://lethe@127.0.0.1:" + std::to_string(port) + "/" + name_;
    }

 private:
    std::unique_ptr<test::temporary_folder> folder_;
    std::string name_;
    std::string url_;
};

}  // namespace lethe
