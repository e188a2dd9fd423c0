// For tests: a store on a worker of its own.
#pragma once

#include "store/open.hpp"
#include "support/on_worker.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace lethe::store::redis {

using namespace std::chrono_literals;

class used_store {
 public:
    explicit used_store(const std::string& url, open_options options = {}) {
        std::string why;
        auto opened = lethe::store::open(url, std::move(options), why);
        EXPECT_TRUE(opened.has_value()) << why;
        engine_ = *std::move(opened);
        store_ = engine_->make_store(worker_.get());
    }
    ~used_store() {
        test::do_on_worker(worker_.get(), [this] { store_.reset(); });
    }
    used_store(const used_store&) = delete;
    used_store& operator=(const used_store&) = delete;

    [[nodiscard]] static steady_time soon(std::chrono::milliseconds in = 5s) {
        return std::chrono::steady_clock::now() + in;
    }
    result<answer> run(operation one, std::chrono::milliseconds within = 5s) {
        return worker_.run(store_->run(std::move(one), soon(within)));
    }
    result<answer> put_in(const std::string& key, std::string value, std::string subject = {},
                          expectation expect = anything{}, std::chrono::milliseconds ttl = 1h) {
        return run(put{key, std::move(value), ttl, expect, std::move(subject)});
    }
    // "" when it is not there, "error: …" when it cannot be read.
    std::string read(const std::string& key) {
        const result<std::optional<record>> got = worker_.run(store_->read(key, soon()));
        if (got.has_error()) return "error: " + describe(got.error());
        return *got ? (*got)->value : "";
    }
    std::vector<std::string> list(const std::string& subject) {
        const result<subject_page> page =
            worker_.run(store_->list_subject(subject, "", "", 1000, soon()));
        EXPECT_TRUE(page.has_value()) << describe(page.error());
        return page.has_value() ? page->keys : std::vector<std::string>{};
    }
    bool answers() { return worker_.run(store_->ping(soon())).has_value(); }

    store& operator*() { return *store_; }
    store* operator->() { return store_.get(); }
    engine& of() { return *engine_; }
    test::running_worker& worker() { return worker_; }

 private:
    std::unique_ptr<engine> engine_;
    test::running_worker worker_;
    std::unique_ptr<store> store_;
};

}  // namespace lethe::store::redis
