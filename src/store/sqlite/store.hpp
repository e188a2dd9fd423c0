// The contract over a database: what a worker holds, and the engine that makes it.
#pragma once

#include "store/counts.hpp"
#include "store/open.hpp"
#include "store/sqlite/database.hpp"

#include <deque>
#include <memory>
#include <mutex>

namespace lethe::store::sqlite {

[[nodiscard]] constexpr engine_promises promises_of(synchronous mode) {
    return {.durable = mode == synchronous::full,
            .linearizable = true,
            .transactions = true,
            .may_evict = false,
            .shared = true};
}

// One per worker.
class sqlite_store final : public store {
 public:
    sqlite_store(std::shared_ptr<database> in, engine_promises promises,
                 std::shared_ptr<metrics::registry> registry, const std::string& name, clock& time);

    engine_promises promises() const noexcept override { return promises_; }
    task<std::vector<answer>> batch(std::vector<operation> operations,
                                    steady_time deadline) override;
    task<std::vector<answer>> transact(std::vector<operation> operations,
                                       steady_time deadline) override;
    task<subject_page> list_subject(std::string subject, std::string key_prefix, std::string after,
                                    std::size_t keys_max, steady_time deadline) override;
    task<> ping(steady_time deadline) override;

 private:
    [[nodiscard]] task<std::vector<answer>> write(std::vector<operation> operations,
                                                  bool all_or_nothing, steady_time deadline);
    [[nodiscard]] task<> read(call_ptr one, steady_time deadline);
    // Submits the call and waits for its outcome, which then stands in it.
    [[nodiscard]] task<> finish(call_ptr one, bool is_write, steady_time deadline);

    std::shared_ptr<database> database_;
    engine_promises promises_;
    std::shared_ptr<metrics::registry> registry_;
    counts counts_;
    clock& clock_;
};

class sqlite_engine final : public engine {
 public:
    sqlite_engine(std::shared_ptr<database> started, synchronous mode, std::string name);
    ~sqlite_engine() override;
    sqlite_engine(const sqlite_engine&) = delete;
    sqlite_engine& operator=(const sqlite_engine&) = delete;

    std::unique_ptr<store> make_store(clock& time) override;
    engine_promises promises() const noexcept override { return promises_of(mode_); }
    std::vector<const metrics::registry*> metrics() const override;
    void close() override { database_->close(); }

 private:
    std::shared_ptr<database> database_;
    const synchronous mode_;
    const std::string name_;
    mutable std::mutex mutex_;  // over registries_
    std::deque<std::shared_ptr<metrics::registry>> registries_;
};

}  // namespace lethe::store::sqlite
