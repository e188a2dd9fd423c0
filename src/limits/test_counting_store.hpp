// For tests: a store in memory that several gateways share, with a clock of its own, that counts
// its round trips and fails when told to.
#pragma once

#include "store/store.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <map>

namespace lethe::limits::testing {

struct shared_records {
    manual_clock time;  // the store's own
    std::map<std::string, store::record> live;
    std::uint64_t versions = 0;
};

class counting_store final : public store::store {
 public:
    explicit counting_store(shared_records& in) : in_(in) {}

    int trips = 0;
    bool away = false;
    std::function<void()> before_put;  // what another gateway does in between

    [[nodiscard]] lethe::store::engine_promises promises() const noexcept override {
        return {.linearizable = true, .shared = true};
    }
    task<std::vector<lethe::store::answer>> batch(std::vector<lethe::store::operation> all,
                                                  steady_time) override {
        ++trips;
        if (away) co_return LETHE_ERR(lethe::store::errc::unavailable);
        if (before_put) before_put();
        std::vector<lethe::store::answer> out;
        for (const lethe::store::operation& one : all)
            out.push_back(put(std::get<lethe::store::put>(one)));
        co_return out;
    }
    task<std::vector<lethe::store::answer>> transact(std::vector<lethe::store::operation>,
                                                     steady_time) override {
        co_return LETHE_ERR(lethe::store::errc::unavailable);
    }
    task<lethe::store::subject_page> list_subject(std::string, std::string, std::string,
                                                  std::size_t, steady_time) override {
        co_return LETHE_ERR(lethe::store::errc::unavailable);
    }
    task<> ping(steady_time) override { co_return result<>{}; }

    lethe::store::answer put(const lethe::store::put& one) {
        std::erase_if(in_.live, [this](const auto& each) {
            return each.second.expires <= in_.time.system_now();
        });
        EXPECT_GT(one.ttl.count(), 0);
        const auto found = in_.live.find(one.key);
        const auto* const version = std::get_if<lethe::store::record_version>(&one.expect);
        const bool fits = found == in_.live.end()
                              ? version == nullptr
                              : version != nullptr && *version == found->second.version;
        if (!fits) {
            lethe::store::answer out;
            if (found != in_.live.end()) out.present = found->second;
            return out;
        }
        lethe::store::record& record = in_.live[one.key];
        record = {.value = one.value,
                  .version = {++in_.versions},
                  .expires = in_.time.system_now() + one.ttl,
                  .subject = {}};
        return {.done = true, .version = record.version, .present = {}};
    }

 private:
    shared_records& in_;
};

}  // namespace lethe::limits::testing
