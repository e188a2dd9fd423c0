// Records in this process's memory: for tests and for trying things out. Gone with the process.
#pragma once

#include "store/open.hpp"

#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

namespace lethe::store::memory {

// Shared by the stores of all workers. Every call holds one lock for as long as it touches the maps
// and never across an await.
class database {
 public:
    // Keys, values and subjects together; above it a put is refused as unavailable.
    static constexpr std::size_t bytes_max = std::size_t{1} << 30;

    [[nodiscard]] result<std::vector<answer>> batch(const std::vector<operation>& operations,
                                                    system_time now);
    [[nodiscard]] result<std::vector<answer>> transact(const std::vector<operation>& operations,
                                                       system_time now);
    [[nodiscard]] subject_page list(const std::string& subject, std::string_view key_prefix,
                                    std::string_view after, std::size_t keys_max, system_time now);

    [[nodiscard]] scan_page scan(const std::string& after, std::size_t keys_max, system_time now);
    // How many expired records it removed, at most `records_max`.
    [[nodiscard]] std::size_t purge(std::size_t records_max, system_time now);

    void close();
    [[nodiscard]] bool closed() const;
    // Records kept, expired ones included.
    [[nodiscard]] std::size_t size() const;

 private:
    using records = std::map<std::string, record, std::less<>>;
    // What to put back when a transaction fails: the key and what it had.
    using undo_list = std::vector<std::pair<std::string, std::optional<record>>>;

    // Under the lock; on an error everything is as before.
    result<std::vector<answer>> run(const std::vector<operation>& operations, system_time now,
                                    undo_list& before);
    void undo(undo_list& before);
    result<answer> apply(const operation& any, system_time now);
    result<answer> apply(const get& one, system_time now);
    result<answer> apply(const put& one, system_time now);
    result<answer> apply(const erase& one, system_time now);
    result<answer> apply(const touch& one, system_time now);

    records::iterator find_alive(const std::string& key, system_time now);
    // Replaces, or removes when nothing is given; keeps the indexes in step.
    void replace(const std::string& key, std::optional<record> by);
    std::size_t sweep(std::size_t records_max, system_time now);

    mutable std::mutex mutex_;
    bool closed_ = false;
    std::uint64_t last_version_ = 0;
    std::size_t bytes_ = 0;
    records records_;
    std::map<std::string, std::set<std::string>, std::less<>> subjects_;
    std::set<std::pair<system_time, std::string>> expiries_;
};

class memory_engine final : public engine {
 public:
    explicit memory_engine(open_options options);
    ~memory_engine() override;
    memory_engine(const memory_engine&) = delete;
    memory_engine& operator=(const memory_engine&) = delete;

    std::unique_ptr<store> make_store(caller by) override;
    engine_promises promises() const noexcept override;
    std::vector<const metrics::registry*> metrics() const override;
    void close() override;

 private:
    open_options options_;
    std::shared_ptr<database> database_ = std::make_shared<database>();
    mutable std::mutex mutex_;  // over registries_
    std::deque<std::shared_ptr<metrics::registry>> registries_;
};

inline constexpr engine_promises promises_made{.durable = false,
                                               .linearizable = true,
                                               .transactions = true,
                                               .may_evict = false,
                                               .shared = false,
                                               .scans = true};

}  // namespace lethe::store::memory
