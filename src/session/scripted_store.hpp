// For tests: a store in memory, faithful to the contract, whose steps fail as a test wants. Several
// may share one set of records, as several lethe processes share a store.
#pragma once

#include "store/store.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <map>
#include <memory>

namespace lethe::session::testing {

enum class fault : std::uint8_t {
    none,
    refused,      // errc::unavailable; nothing was changed
    lost_before,  // errc::outcome_unknown; nothing was changed
    lost_after,   // errc::outcome_unknown; all was done
    lost_late,    // errc::outcome_unknown; it is done only after the next step
    dies_before,  // the process dies: nothing was changed
    dies_after,   // the process dies: all was done
};

// How a coroutine ends whose process dies: it is dropped at its await, destructors run, nothing
// else.
struct process_died {};

class scripted_store final : public store::store {
 public:
    struct shared_records {
        explicit shared_records(clock& t) : time(t) {}
        clock& time;
        std::map<std::string, lethe::store::record> live;
        std::uint64_t versions = 0;

        void drop_expired() {
            std::erase_if(live, [now = time.system_now()](const auto& one) {
                return one.second.expires <= now;
            });
        }
    };

    explicit scripted_store(std::shared_ptr<shared_records> records, bool transactions = false)
        : records_(std::move(records)), transactions_(transactions) {}

    // Asked before each step (a batch or a transaction), counted from 0.
    std::function<fault(int step)> plan;
    int steps = 0;
    std::vector<std::vector<lethe::store::operation>> late;  // what is still on its way
    // Between asking and answering others may run.
    bool yields = false;

    [[nodiscard]] lethe::store::engine_promises promises() const noexcept override {
        return {.durable = true,
                .linearizable = true,
                .transactions = transactions_,
                .may_evict = false,
                .shared = true};
    }

    task<std::vector<lethe::store::answer>> batch(std::vector<lethe::store::operation> operations,
                                                  steady_time deadline) override {
        return step(std::move(operations), deadline, false);
    }
    task<std::vector<lethe::store::answer>> transact(
        std::vector<lethe::store::operation> operations, steady_time deadline) override {
        return step(std::move(operations), deadline, true);
    }

    task<lethe::store::subject_page> list_subject(std::string subject, std::string key_prefix,
                                                  std::string after, std::size_t keys_max,
                                                  steady_time) override {
        records_->drop_expired();
        lethe::store::subject_page page;
        for (const auto& [key, record] : records_->live) {
            if (record.subject != subject || key <= after ||
                key.substr(0, key_prefix.size()) != key_prefix)
                continue;
            page.more = page.keys.size() == keys_max;
            if (page.more) break;
            page.keys.push_back(key);
        }
        co_return page;
    }

    task<> ping(steady_time) override { co_return result<>{}; }

    // What was on its way takes place now.
    void arrive() {
        for (const auto& operations : std::exchange(late, {})) apply_all(operations, late_atomic_);
    }

 private:
    task<std::vector<lethe::store::answer>> step(std::vector<lethe::store::operation> operations,
                                                 steady_time deadline, bool atomic) {
        if (records_->time.steady_now() >= deadline)
            co_return LETHE_ERR(lethe::store::errc::timeout);
        const fault what = plan ? plan(steps) : fault::none;
        ++steps;
        if (yields)
            co_await boost::asio::post(co_await boost::asio::this_coro::executor,
                                       boost::asio::use_awaitable);
        if (what == fault::lost_late) {
            late.push_back(std::move(operations));
            late_atomic_ = atomic;
            co_return LETHE_ERR(lethe::store::errc::outcome_unknown);
        }
        if (what == fault::refused) co_return LETHE_ERR(lethe::store::errc::unavailable);
        if (what == fault::lost_before) co_return LETHE_ERR(lethe::store::errc::outcome_unknown);
        if (what == fault::dies_before) throw process_died{};
        std::vector<lethe::store::answer> answers = apply_all(operations, atomic);
        arrive();
        if (yields)
            co_await boost::asio::post(co_await boost::asio::this_coro::executor,
                                       boost::asio::use_awaitable);
        if (what == fault::lost_after) co_return LETHE_ERR(lethe::store::errc::outcome_unknown);
        if (what == fault::dies_after) throw process_died{};
        co_return answers;
    }

    std::vector<lethe::store::answer> apply_all(
        const std::vector<lethe::store::operation>& operations, bool atomic) {
        records_->drop_expired();
        const auto before = records_->live;
        std::vector<lethe::store::answer> answers;
        bool all = true;
        for (const lethe::store::operation& one : operations) {
            answers.push_back(std::visit([this](const auto& o) { return apply(o); }, one));
            all = all && answers.back().done;
        }
        if (atomic && !all) records_->live = before;
        return answers;
    }

    std::optional<lethe::store::record> find(const std::string& key) const {
        const auto at = records_->live.find(key);
        return at == records_->live.end() ? std::nullopt : std::optional(at->second);
    }

    bool holds(const lethe::store::expectation& expect,
               const std::optional<lethe::store::record>& present) const {
        if (std::holds_alternative<lethe::store::absent>(expect)) return !present;
        if (const auto* version = std::get_if<lethe::store::record_version>(&expect))
            return present && present->version == *version;
        return true;
    }

    lethe::store::answer apply(const lethe::store::get& one) {
        return {.done = true, .version = {}, .present = find(one.key)};
    }
    lethe::store::answer apply(const lethe::store::put& one) {
        LETHE_ASSERT(!one.key.empty() && one.ttl.count() > 0);
        std::optional<lethe::store::record> present = find(one.key);
        if (!holds(one.expect, present))
            return {.done = false, .version = {}, .present = std::move(present)};
        const lethe::store::record_version version{++records_->versions};
        records_->live[one.key] = {one.value, version, records_->time.system_now() + one.ttl,
                                   one.subject};
        return {.done = true, .version = version, .present = {}};
    }
    lethe::store::answer apply(const lethe::store::erase& one) {
        std::optional<lethe::store::record> present = find(one.key);
        if (!holds(one.expect, present))
            return {.done = false, .version = {}, .present = std::move(present)};
        records_->live.erase(one.key);
        return {.done = true, .version = {}, .present = {}};
    }
    lethe::store::answer apply(const lethe::store::touch& one) {
        const auto at = records_->live.find(one.key);
        if (at == records_->live.end()) return {};
        at->second.expires = records_->time.system_now() + one.ttl;
        return {.done = true, .version = {}, .present = {}};
    }

    std::shared_ptr<shared_records> records_;
    bool transactions_;
    bool late_atomic_ = false;
};

}  // namespace lethe::session::testing
