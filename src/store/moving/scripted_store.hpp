// For tests: engines that several gateways share, each by way of its own script, which can do
// something before any step, or let it fail.
#pragma once

#include "store/open.hpp"

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <utility>

namespace lethe::store::moving {

enum class fault {
    none,
    refused,  // this step is not done, and its caller is told so
    lost,     // it is done, and its caller cannot know
    crashed,  // it is not done, nor any after it
    crashed_after,
};

// Of one gateway: counts the calls that it makes to either store.
struct script {
    std::size_t steps = 0;
    std::function<void(std::size_t step)> before = {};
    std::size_t fault_at = std::numeric_limits<std::size_t>::max();
    fault what = fault::none;
    bool dead = false;

    fault next() {
        const std::size_t step = steps++;
        if (before) before(step);
        if (dead) return fault::crashed;
        if (step != fault_at) return fault::none;
        dead = what == fault::crashed || what == fault::crashed_after;
        return what;
    }
};

class scripted_store final : public store {
 public:
    scripted_store(std::unique_ptr<store> over, std::shared_ptr<script> by)
        : over_(std::move(over)), script_(std::move(by)) {}

    engine_promises promises() const noexcept override { return over_->promises(); }
    task<std::vector<answer>> batch(std::vector<operation> operations,
                                    steady_time deadline) override {
        const fault now = script_->next();
        if (refuses(now)) co_return LETHE_ERR(errc::unavailable);
        result<std::vector<answer>> got = co_await over_->batch(std::move(operations), deadline);
        if (loses(now)) co_return LETHE_ERR(errc::outcome_unknown);
        co_return got;
    }
    task<std::vector<answer>> transact(std::vector<operation> operations,
                                       steady_time deadline) override {
        const fault now = script_->next();
        if (refuses(now)) co_return LETHE_ERR(errc::unavailable);
        result<std::vector<answer>> got = co_await over_->transact(std::move(operations), deadline);
        if (loses(now)) co_return LETHE_ERR(errc::outcome_unknown);
        co_return got;
    }
    task<subject_page> list_subject(std::string subject, std::string key_prefix, std::string after,
                                    std::size_t keys_max, steady_time deadline) override {
        if (script_->next() != fault::none) co_return LETHE_ERR(errc::unavailable);
        result<subject_page> got = co_await over_->list_subject(
            std::move(subject), std::move(key_prefix), std::move(after), keys_max, deadline);
        co_return got;
    }
    task<> ping(steady_time deadline) override { return over_->ping(deadline); }
    task<scan_page> scan(std::string cursor, std::size_t keys_max, steady_time deadline) override {
        if (script_->next() != fault::none) co_return LETHE_ERR(errc::unavailable);
        result<scan_page> got = co_await over_->scan(std::move(cursor), keys_max, deadline);
        co_return got;
    }
    task<std::size_t> purge_expired(std::size_t records_max, steady_time deadline) override {
        return over_->purge_expired(records_max, deadline);
    }
    task<examination> examine(steady_time deadline) override { return over_->examine(deadline); }
    task<migration> migrate(steady_time deadline) override { return over_->migrate(deadline); }

 private:
    static bool refuses(fault now) { return now == fault::refused || now == fault::crashed; }
    static bool loses(fault now) { return now == fault::lost || now == fault::crashed_after; }

    std::unique_ptr<store> over_;
    std::shared_ptr<script> script_;
};

// Over an engine that lives on when this one ends.
class scripted_engine final : public engine {
 public:
    scripted_engine(std::shared_ptr<engine> over, std::shared_ptr<script> by)
        : over_(std::move(over)), script_(std::move(by)) {}

    std::unique_ptr<store> make_store(caller by) override {
        return std::make_unique<scripted_store>(over_->make_store(by), script_);
    }
    engine_promises promises() const noexcept override { return over_->promises(); }
    std::vector<const metrics::registry*> metrics() const override { return {}; }
    void close() override {}

 private:
    std::shared_ptr<engine> over_;
    std::shared_ptr<script> script_;
};

}  // namespace lethe::store::moving
