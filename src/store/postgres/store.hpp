// The contract over PostgreSQL: what a worker holds, and the engine that makes it.
#pragma once

#include "store/counts.hpp"
#include "store/open.hpp"
#include "store/postgres/pool.hpp"
#include "store/postgres/url.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace lethe::store::postgres {

inline constexpr engine_promises promised = {.durable = true,
                                             .linearizable = true,
                                             .transactions = true,
                                             .may_evict = false,
                                             .shared = true,
                                             .scans = true};

// What the stores of one engine share.
struct engine_state {
    std::shared_ptr<const settings> to;
    open_options options;
    std::atomic<bool> purging{false};  // one of the stores removes what has expired

    // False once the engine is closed; else leave() must follow.
    [[nodiscard]] bool enter();
    void leave();
    // Refuses newcomers, then waits until all have left.
    void close();

 private:
    std::mutex mutex_;
    std::condition_variable left_;
    std::size_t inside_ = 0;
    bool closed_ = false;
};

// One per worker.
class postgres_store final : public store {
 public:
    postgres_store(std::shared_ptr<engine_state> of, net::worker& on,
                   std::shared_ptr<metrics::registry> registry);
    ~postgres_store() override;
    postgres_store(const postgres_store&) = delete;
    postgres_store& operator=(const postgres_store&) = delete;

    engine_promises promises() const noexcept override { return promised; }
    task<std::vector<answer>> batch(std::vector<operation> operations,
                                    steady_time deadline) override;
    task<std::vector<answer>> transact(std::vector<operation> operations,
                                       steady_time deadline) override;
    task<subject_page> list_subject(std::string subject, std::string key_prefix, std::string after,
                                    std::size_t keys_max, steady_time deadline) override;
    task<> ping(steady_time deadline) override;
    task<scan_page> scan(std::string cursor, std::size_t keys_max, steady_time deadline) override;
    task<std::size_t> purge_expired(std::size_t records_max, steady_time deadline) override;
    task<examination> examine(steady_time deadline) override;
    task<migration> migrate(steady_time deadline) override;

    // What outlives the store until its coroutines have ended.
    struct core;

 private:
    std::shared_ptr<core> core_;
};

class postgres_engine final : public engine {
 public:
    postgres_engine(settings to, open_options options);
    ~postgres_engine() override;
    postgres_engine(const postgres_engine&) = delete;
    postgres_engine& operator=(const postgres_engine&) = delete;

    std::unique_ptr<store> make_store(caller by) override;
    engine_promises promises() const noexcept override { return promised; }
    std::vector<const metrics::registry*> metrics() const override;
    void close() override { state_->close(); }

 private:
    std::shared_ptr<engine_state> state_;
    mutable std::mutex mutex_;  // over registries_
    std::deque<std::shared_ptr<metrics::registry>> registries_;
};

}  // namespace lethe::store::postgres
