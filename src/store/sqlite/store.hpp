// The contract over a database: what a worker holds, and the engine that makes it.
#pragma once

#include "store/counts.hpp"
#include "store/open.hpp"
#include "store/sqlite/database.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <deque>
#include <memory>
#include <mutex>

namespace lethe::store::sqlite {

[[nodiscard]] constexpr engine_promises promises_of(synchronous mode) {
    return {.durable = mode == synchronous::full,
            .linearizable = true,
            .transactions = true,
            .may_evict = false,
            .shared = true,
            .scans = true};
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
    task<scan_page> scan(std::string cursor, std::size_t keys_max, steady_time deadline) override;
    task<std::size_t> purge_expired(std::size_t records_max, steady_time deadline) override;
    task<examination> examine(steady_time deadline) override;
    task<migration> migrate(steady_time deadline) override;

 private:
    class loop_mailbox;
    class stay;

    [[nodiscard]] call_ptr make_call(const boost::asio::any_io_executor& on);
    [[nodiscard]] task<std::vector<answer>> write(std::vector<operation> operations,
                                                  bool all_or_nothing, steady_time deadline);
    // finish(), and an error of the call is one of the task.
    [[nodiscard]] task<> ask(call_ptr one, bool is_write, steady_time deadline);
    // Submits the call and waits for its outcome, which then stands in it.
    [[nodiscard]] task<> finish(call_ptr one, bool is_write, steady_time deadline);

    std::shared_ptr<database> database_;
    engine_promises promises_;
    std::shared_ptr<metrics::registry> registry_;
    counts counts_;
    clock& clock_;
    std::shared_ptr<loop_mailbox> mailbox_;
};

class sqlite_engine final : public engine {
 public:
    sqlite_engine(std::shared_ptr<database> started, synchronous mode, std::string name);
    ~sqlite_engine() override;
    sqlite_engine(const sqlite_engine&) = delete;
    sqlite_engine& operator=(const sqlite_engine&) = delete;

    std::unique_ptr<store> make_store(caller by) override;
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
