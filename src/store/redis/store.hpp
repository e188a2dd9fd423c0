// The contract over one server, or over the primary that sentinels name.
#pragma once

#include "store/counts.hpp"
#include "store/open.hpp"
#include "store/redis/commands.hpp"
#include "store/redis/gate.hpp"
#include "store/redis/link.hpp"
#include "store/redis/sentinel.hpp"

#include <memory>
#include <mutex>
#include <vector>

namespace lethe::store::redis {

[[nodiscard]] constexpr engine_promises promises_of(topology how) {
    return {.durable = false,
            .settings_decide = true,
            .linearizable = true,
            .transactions = how != topology::cluster,
            .may_evict = false,
            .shared = true,
            .scans = true};
}

// What a worker's store is made of.
struct store_parts {
    std::shared_ptr<const settings> with;
    std::shared_ptr<const greeting> greet;
    std::shared_ptr<gate> calls;
    std::shared_ptr<metrics::registry> registry;
    open_options options;
};

// One per worker.
class redis_store final : public store {
 public:
    redis_store(net::worker& on, store_parts parts);
    ~redis_store() override;
    redis_store(const redis_store&) = delete;
    redis_store& operator=(const redis_store&) = delete;

    engine_promises promises() const noexcept override { return promises_of(parts_.with->how); }
    task<std::vector<answer>> batch(std::vector<operation> operations,
                                    steady_time deadline) override;
    task<std::vector<answer>> transact(std::vector<operation> operations,
                                       steady_time deadline) override;
    task<answer> run(operation one, steady_time deadline) override;
    task<subject_page> list_subject(std::string subject, std::string key_prefix, std::string after,
                                    std::size_t keys_max, steady_time deadline) override;
    task<> ping(steady_time deadline) override;
    task<scan_page> scan(std::string cursor, std::size_t keys_max, steady_time deadline) override;
    task<std::size_t> purge_expired(std::size_t records_max, steady_time deadline) override;
    task<examination> examine(steady_time deadline) override;
    task<migration> migrate(steady_time deadline) override;

 private:
    // Sends the call, again when it is known that nothing ran for want of the functions.
    [[nodiscard]] task<std::vector<answer>> run_all(std::vector<operation> operations,
                                                    bool all_or_nothing, steady_time deadline);
    [[nodiscard]] std::size_t replies_of(std::span<const operation> operations,
                                         bool all_or_nothing) const noexcept;
    void make_request(std::string& to, std::span<const operation> operations,
                      std::span<const record_version> fresh, bool all_or_nothing) const;
    // After a refusal: the call is to be made again, or what it ends with.
    [[nodiscard]] task<> help(outcome refused, bool again, steady_time deadline);
    // What run() is answered where it is more than done or not; the call is made again as in
    // run_all. `one` outlives it.
    [[nodiscard]] task<answer> read_slowly(const operation& one, record_version fresh,
                                           std::string replies, steady_time deadline);
    [[nodiscard]] outcome read_replies(std::span<const operation> operations,
                                       std::span<const record_version> fresh, bool all_or_nothing,
                                       std::string_view replies) const;
    [[nodiscard]] outcome read(std::span<const operation> operations,
                               std::span<const record_version> fresh, bool all_or_nothing,
                               std::span<const resp::value> replies) const;
    // One command that only reads, or that may be done twice: its reply, whole and no error.
    // `into` keeps its bytes.
    [[nodiscard]] task<resp::value> query(std::string request, std::string& into,
                                          steady_time deadline);
    [[nodiscard]] task<subject_page> list(std::string subject, std::string first, std::string end,
                                          std::size_t wanted, steady_time deadline);
    [[nodiscard]] task<std::size_t> trim(std::string set, std::size_t names_max,
                                         steady_time deadline);
    [[nodiscard]] bool waits_for_replicas(std::span<const operation> operations) const noexcept;
    [[nodiscard]] bool past(steady_time deadline) const;

    net::worker& worker_;
    store_parts parts_;
    counts counts_;
    version_source versions_;
    std::shared_ptr<primary_watch> watch_;  // where there are sentinels
    link link_;
};

class redis_engine final : public engine {
 public:
    redis_engine(settings with, open_options options);
    ~redis_engine() override { close(); }
    redis_engine(const redis_engine&) = delete;
    redis_engine& operator=(const redis_engine&) = delete;

    std::unique_ptr<store> make_store(caller by) override;
    engine_promises promises() const noexcept override { return promises_of(with_->how); }
    std::vector<const metrics::registry*> metrics() const override;
    void close() override { calls_->close(); }

 private:
    std::shared_ptr<const settings> with_;
    std::shared_ptr<const greeting> greet_;
    std::shared_ptr<gate> calls_ = std::make_shared<gate>();
    const open_options options_;
    mutable std::mutex mutex_;  // over registries_
    std::vector<std::shared_ptr<metrics::registry>> registries_;
};

}  // namespace lethe::store::redis
