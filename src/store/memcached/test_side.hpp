// For tests: one lethe over real Memcached servers, and a look past it at the servers themselves.
#pragma once

#include "store/open.hpp"
#include "support/on_worker.hpp"
#include "support/plain_socket.hpp"
#include "support/servers.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

namespace lethe::store::memcached {

using namespace std::chrono_literals;
using lethe::test::memcached_server;
using lethe::test::plain_socket;
using lethe::test::running_worker;

// An engine, and one worker's store of it, on a time that the test moves.
class lethe_side {
 public:
    explicit lethe_side(const std::string& url) {
        std::string why;
        open_options options;
        options.now = [this] { return system_time{std::chrono::milliseconds{now_.load()}}; };
        auto opened = lethe::store::open(url, std::move(options), why);
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
    answer must(operation one) {
        result<answer> got = ask(std::move(one));
        EXPECT_TRUE(got.has_value()) << describe(got.error());
        return got.has_value() ? *std::move(got) : answer{};
    }
    std::optional<record> read(const std::string& key) { return must(get{key}).present; }
    answer write(const std::string& key, std::string value, expectation expect = anything{},
                 std::chrono::milliseconds ttl = 1h, std::string subject = {}) {
        return must(put{key, std::move(value), ttl, expect, std::move(subject)});
    }
    std::vector<std::string> keys_of(const std::string& subject) {
        std::vector<std::string> out;
        std::string after;
        while (true) {
            const result<subject_page> page =
                worker_.run(store_->list_subject(subject, "", after, 1000, in(20s)));
            EXPECT_TRUE(page.has_value()) << describe(page.error());
            if (page.has_error()) return out;
            out.insert(out.end(), page->keys.begin(), page->keys.end());
            if (!page->more) return out;
            after = out.back();
        }
    }
    void advance(std::chrono::milliseconds by) { now_ += by.count(); }
    [[nodiscard]] system_time now() const {
        return system_time{std::chrono::milliseconds{now_.load()}};
    }
    [[nodiscard]] store& in_store() { return *store_; }
    [[nodiscard]] engine& of() { return *engine_; }
    [[nodiscard]] running_worker& worker() { return worker_; }

 private:
    std::atomic<std::int64_t> now_{1'700'000'000'000};
    running_worker worker_;
    std::unique_ptr<engine> engine_;
    std::unique_ptr<store> store_;
};

// What the server answers to one line, up to a line that `last` begins.
inline std::vector<std::string> raw(const memcached_server& at, const std::string& line,
                                    const std::string& last) {
    plain_socket socket = plain_socket::to_port(at.port());
    socket.send(line + "\r\n");
    std::vector<std::string> out;
    do out.push_back(socket.receive_line());
    while (!out.back().starts_with(last));
    return out;
}

inline std::uint64_t statistic_of(const memcached_server& at, const std::string& name) {
    const std::string begin = "STAT " + name + " ";
    for (const std::string& line : raw(at, "stats", "END"))
        if (line.starts_with(begin)) return std::stoull(line.substr(begin.size()));
    ADD_FAILURE() << "no statistic " << name;
    return 0;
}

// Names of all items.
inline std::vector<std::string> items_of(const memcached_server& at) {
    std::vector<std::string> out;
    // One answer: lines with bare line feeds, and END.
    std::string text = raw(at, "lru_crawler metadump all", "").back();
    while (text.starts_with("key=")) {
        std::string name = text.substr(4, text.find(' ') - 4);
        for (std::size_t colon = 0; (colon = name.find("%3A")) != name.npos;)
            name.replace(colon, 3, ":");
        out.push_back(std::move(name));
        text.erase(0, text.find('\n') + 1);
    }
    EXPECT_EQ(text, "END");
    return out;
}

inline std::string hosts_url(std::initializer_list<const memcached_server*> all) {
    std::string out = "memcached://";
    for (const memcached_server* one : all) out += (out.back() == '/' ? "" : ",") + one->host();
    return out;
}

inline std::string some_value(std::size_t size) {
    std::string out(size, '\0');
    std::uint32_t x = 1;
    for (char& c : out) c = static_cast<char>((x = x * 1'664'525 + 1'013'904'223) >> 24);
    return out;
}

}  // namespace lethe::store::memcached
