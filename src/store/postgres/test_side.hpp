// For tests: one lethe over a real PostgreSQL server.
#pragma once

#include "store/open.hpp"
#include "support/on_worker.hpp"
#include "support/servers.hpp"

#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <string>
#include <vector>

namespace lethe::store::postgres {

using namespace std::chrono_literals;
using lethe::test::postgres_options;
using lethe::test::postgres_pair;
using lethe::test::postgres_server;
using lethe::test::running_worker;
using lethe::test::wait_for;

// An engine, and one worker's store of it.
class lethe_side {
 public:
    explicit lethe_side(const std::string& url) {
        std::string why;
        auto opened = lethe::store::open(url, {}, why);
        if (opened.has_error()) throw std::runtime_error(why);
        engine_ = *std::move(opened);
        store_ = engine_->make_store(worker_.get());
    }
    ~lethe_side() {
        lethe::test::do_on_worker(worker_.get(), [this] { store_.reset(); });
    }
    lethe_side(const lethe_side&) = delete;
    lethe_side& operator=(const lethe_side&) = delete;

    [[nodiscard]] steady_time in(duration time) { return worker_.get().time().steady_now() + time; }
    result<answer> ask(operation one, duration time = 20s) {
        return worker_.run(store_->run(std::move(one), in(time)));
    }
    std::future<result<answer>> begin(operation one, duration time = 20s) {
        return lethe::test::begin_on_worker(worker_.get(), store_->run(std::move(one), in(time)));
    }
    answer must(operation one) {
        result<answer> got = ask(std::move(one));
        EXPECT_TRUE(got.has_value()) << describe(got.error());
        return got.has_value() ? *std::move(got) : answer{};
    }
    result<std::vector<answer>> transact(std::vector<operation> all, duration time = 20s) {
        return worker_.run(store_->transact(std::move(all), in(time)));
    }
    result<std::vector<answer>> batch(std::vector<operation> all, duration time = 20s) {
        return worker_.run(store_->batch(std::move(all), in(time)));
    }
    std::optional<record> read(const std::string& key) { return must(get{key}).present; }
    answer write(const std::string& key, std::string value, expectation expect = anything{},
                 std::chrono::milliseconds ttl = 1h, std::string subject = {}) {
        return must(put{key, std::move(value), ttl, expect, std::move(subject)});
    }
    result<> ping(duration time = 20s) { return worker_.run(store_->ping(in(time))); }
    result<migration> migrate(duration time = 20s) {
        return worker_.run(store_->migrate(in(time)));
    }
    result<examination> examine() { return worker_.run(store_->examine(in(20s))); }
    [[nodiscard]] store& in_store() { return *store_; }
    [[nodiscard]] engine& of() { return *engine_; }
    [[nodiscard]] running_worker& worker() { return worker_; }

    // The sum over all labels of one of its metrics.
    [[nodiscard]] double metric(const std::string& name) {
        const std::string text = metrics::to_prometheus(engine_->metrics());
        double sum = 0;
        std::size_t at = 0;
        while ((at = text.find("\n" + name + "{", at)) != std::string::npos) {
            const std::size_t end = text.find('\n', ++at);
            sum += std::stod(text.substr(text.rfind(' ', end)));
        }
        return sum;
    }

 private:
    running_worker worker_;
    std::unique_ptr<engine> engine_;
    std::unique_ptr<store> store_;
};

inline std::string with_option(const std::string& url, const std::string& option) {
    return url + (url.find('?') == std::string::npos ? "?" : "&") + option;
}

}  // namespace lethe::store::postgres
