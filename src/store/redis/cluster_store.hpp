// The contract over a cluster. A call's commands go to all nodes at once; there are no
// transactions.
#pragma once

#include "store/counts.hpp"
#include "store/redis/cluster.hpp"
#include "store/redis/commands.hpp"
#include "store/redis/far_index.hpp"
#include "store/redis/store.hpp"

#include <memory>
#include <string>
#include <vector>

namespace lethe::store::redis {

// One per worker.
class cluster_store final : public store {
 public:
    cluster_store(net::worker& on, store_parts parts);
    ~cluster_store() override;
    cluster_store(const cluster_store&) = delete;
    cluster_store& operator=(const cluster_store&) = delete;

    engine_promises promises() const noexcept override { return promises_of(topology::cluster); }
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
    using replies = std::vector<keyed_reply>;

    [[nodiscard]] task<std::vector<answer>> finish(const std::vector<operation>& operations,
                                                   steady_time deadline);
    // Names the records that are put, and finds out whose those are that are touched, so that their
    // sets outlive them.
    [[nodiscard]] task<std::vector<far_index>> prepare(const std::vector<operation>& operations,
                                                       steady_time deadline);
    [[nodiscard]] result<std::vector<far_index>> read_prepared(
        const std::vector<operation>& operations, const std::vector<std::size_t>& asked,
        const replies& got, steady_time deadline);
    [[nodiscard]] task<> prolong_sets(const std::vector<operation>& operations,
                                      const std::vector<far_index>& index, steady_time deadline);
    [[nodiscard]] outcome read(const std::vector<operation>& operations,
                               const std::vector<record_version>& fresh, const replies& got) const;
    // Reads what changes nothing that anybody would miss.
    [[nodiscard]] task<replies> query(std::vector<keyed_command> commands, steady_time deadline);
    [[nodiscard]] error_code error_of(const keyed_reply& reply, bool past_deadline) const;
    // The fronts of records by their names, in their order.
    [[nodiscard]] task<replies> fronts_of(const std::vector<std::string>& names,
                                          steady_time deadline);
    [[nodiscard]] task<subject_page> list(std::string subject, std::string first, std::string end,
                                          std::size_t wanted, steady_time deadline);
    // Looks after the records of names that are due: how many names were removed.
    [[nodiscard]] static task<std::size_t> settle(std::shared_ptr<cluster> in, key_names names,
                                                  index_keys keys, std::string subject,
                                                  std::vector<due_name> due, steady_time deadline);
    [[nodiscard]] task<std::size_t> purge_set(std::string set, std::size_t names_max,
                                              steady_time deadline);
    void settle_aside(const std::string& subject, std::vector<due_name> due);

    store_parts parts_;
    counts counts_;
    version_source versions_;
    std::shared_ptr<cluster> cluster_;
};

}  // namespace lethe::store::redis
