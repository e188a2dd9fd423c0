// The contract over Memcached servers: what a worker holds, and the engine that makes it.
#pragma once

#include "base/secret.hpp"
#include "net/address.hpp"
#include "store/counts.hpp"
#include "store/memcached/records.hpp"
#include "store/open.hpp"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace lethe::store::memcached {

struct settings {
    std::vector<net::address> hosts;
    std::string user;  // "" for no login
    secret password;
    std::string prefix = "lethe";
};

inline constexpr engine_promises promises_made{.durable = false,
                                               .linearizable = true,
                                               .transactions = false,
                                               .may_evict = true,
                                               .shared = true,
                                               .scans = false};

// Counts the calls under way in all workers, so that close() can wait for them. Any thread.
class call_gate {
 public:
    // False once closed.
    [[nodiscard]] bool enter();
    void leave();
    // Nobody enters any more; waits until all have left.
    void close();

 private:
    std::mutex mutex_;
    std::condition_variable left_;
    std::size_t inside_ = 0;
    bool closed_ = false;
};

// One per worker.
class memcached_store final : public store {
 public:
    memcached_store(net::worker& on, const settings& how, const open_options& options,
                    std::shared_ptr<metrics::registry> registry, std::shared_ptr<call_gate> gate);

    engine_promises promises() const noexcept override { return promises_made; }
    task<std::vector<answer>> batch(std::vector<operation> operations,
                                    steady_time deadline) override;
    task<std::vector<answer>> transact(std::vector<operation> operations,
                                       steady_time deadline) override;
    task<subject_page> list_subject(std::string subject, std::string key_prefix, std::string after,
                                    std::size_t keys_max, steady_time deadline) override;
    task<> ping(steady_time deadline) override;
    task<examination> examine(steady_time deadline) override;

 private:
    [[nodiscard]] error_code refusal(steady_time deadline) const;
    [[nodiscard]] task<std::vector<answer>> run_all(const std::vector<operation>& operations,
                                                    steady_time deadline);
    [[nodiscard]] task<subject_page> list(std::string_view subject, std::string_view key_prefix,
                                          std::string_view after, std::size_t wanted,
                                          steady_time deadline);

    std::shared_ptr<metrics::registry> registry_;
    std::shared_ptr<call_gate> gate_;
    counts counts_;
    parts parts_;
    subject_index index_;
    records records_;
};

class memcached_engine final : public engine {
 public:
    memcached_engine(settings how, open_options options);
    ~memcached_engine() override;
    memcached_engine(const memcached_engine&) = delete;
    memcached_engine& operator=(const memcached_engine&) = delete;

    std::unique_ptr<store> make_store(caller by) override;
    engine_promises promises() const noexcept override { return promises_made; }
    std::vector<const metrics::registry*> metrics() const override;
    void close() override { gate_->close(); }

 private:
    const settings settings_;
    const open_options options_;
    const std::shared_ptr<call_gate> gate_ = std::make_shared<call_gate>();
    mutable std::mutex mutex_;  // over registries_
    std::deque<std::shared_ptr<metrics::registry>> registries_;
};

// What the server's own words about itself mean for lethe; for examine(). No sockets.
void judge_statistics(const std::string& host, std::string_view general, std::string_view settings,
                      examination& into);

}  // namespace lethe::store::memcached
