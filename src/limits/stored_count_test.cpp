// Counting for all gateways of a store: round trips, conflicts, clocks that differ.
#include "limits/stored_count.hpp"

#include "limits/test_counting_store.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>

namespace lethe::limits {
namespace {

using namespace std::chrono_literals;
using kind = stored_count::answer::kind;

struct one_gateway {
    explicit one_gateway(testing::shared_records& in) : store(in) {}

    stored_count::answer take(const pace& by) {
        const result<stored_count::answer> got =
            test::run(count.take(key, by, time.steady_now() + 1s));
        EXPECT_TRUE(got.has_value());
        return *got;
    }
    bool admits(const pace& by) {
        const stored_count::answer got = take(by);
        EXPECT_EQ(got.how, kind::decided);
        return got.what.admitted;
    }

    manual_clock time;
    testing::counting_store store;
    stored_count count{store, time};
    std::string key = stored_count::make_key("shop", "address", "a192.0.2.1");
};

class StoredCount : public ::testing::Test {
 protected:
    void advance(std::chrono::milliseconds by) {
        records_.time.advance(by);
        a_.time.advance(by);
        b_.time.advance(by);
    }

    testing::shared_records records_;
    one_gateway a_{records_};
    one_gateway b_{records_};
};

TEST_F(StoredCount, ARequestCostsOneRoundTrip) {
    const pace by{.interval = 1s, .burst = 5};
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(a_.admits(by));
    EXPECT_EQ(a_.store.trips, 5);
    // What is known is enough to refuse.
    EXPECT_FALSE(a_.admits(by));
    EXPECT_EQ(a_.store.trips, 5);
}

TEST_F(StoredCount, TwoGatewaysAdmitOneBurst) {
    const pace by{.interval = 1s, .burst = 6};
    int admitted = 0;
    for (int i = 0; i < 10; ++i) {
        admitted += a_.admits(by) ? 1 : 0;
        admitted += b_.admits(by) ? 1 : 0;
    }
    EXPECT_EQ(admitted, 6);
    // One more trip where the other was there in between, never more.
    EXPECT_LE(a_.store.trips + b_.store.trips, 6 * 2 + 2);
    advance(1s);
    EXPECT_TRUE(b_.admits(by));
    EXPECT_FALSE(a_.admits(by));
}

TEST_F(StoredCount, AnIdleClientsRecordExpiresAndTheBurstIsBack) {
    const pace by{.interval = 100ms, .burst = 2};
    EXPECT_TRUE(a_.admits(by));
    EXPECT_TRUE(a_.admits(by));
    EXPECT_FALSE(a_.admits(by));
    EXPECT_EQ(records_.live.size(), 1U);
    advance(200ms);
    EXPECT_TRUE(a_.admits(by));
    EXPECT_TRUE(a_.admits(by));
    EXPECT_FALSE(a_.admits(by));
}

TEST_F(StoredCount, WhoLosesEachTimeIsNotKeptTryingForEver) {
    const pace by{.interval = 1ms, .burst = 1000};
    // b is quicker each time.
    a_.store.before_put = [this, &by] {
        const auto got = test::run(b_.count.take(b_.key, by, b_.time.steady_now() + 1s));
        EXPECT_TRUE(got.has_value());
    };
    const stored_count::answer got = a_.take(by);
    EXPECT_EQ(got.how, kind::contended);
    EXPECT_EQ(got.conflicts, stored_count::tries_max);
    a_.store.before_put = nullptr;
    EXPECT_TRUE(a_.admits(by));
}

TEST_F(StoredCount, AStoreThatIsAwayDecidesNothing) {
    const pace by{.interval = 1s, .burst = 1};
    a_.store.away = true;
    EXPECT_EQ(a_.take(by).how, kind::away);
    a_.store.away = false;
    EXPECT_TRUE(a_.admits(by));
}

TEST_F(StoredCount, AClockAheadHoldsNobodyBackForLongerThanABurst) {
    const pace by{.interval = 1s, .burst = 3};
    b_.time.jump_system(1h);
    EXPECT_TRUE(b_.admits(by));
    // An hour of debt, as a sees it: counted as the whole burst.
    const stored_count::answer got = a_.take(by);
    EXPECT_EQ(got.how, kind::decided);
    EXPECT_FALSE(got.what.admitted);
    EXPECT_EQ(got.what.retry_after, 1s);
    // b's record was for one request's debt, and has expired by the store's clock.
    advance(1s);
    EXPECT_TRUE(a_.admits(by));
}

TEST_F(StoredCount, AClockThatJumpsBackHoldsNobodyBackForLongerThanABurst) {
    const pace by{.interval = 1s, .burst = 2};
    EXPECT_TRUE(a_.admits(by));
    EXPECT_TRUE(a_.admits(by));
    a_.time.jump_system(-1h);
    EXPECT_FALSE(a_.admits(by));
    advance(2s);
    EXPECT_TRUE(a_.admits(by));
}

TEST_F(StoredCount, AValueThatIsNoTimeIsWrittenAnew) {
    const pace by{.interval = 1s, .burst = 2};
    (void)b_.store.put(
        {.key = a_.key, .value = "rubbish", .ttl = 1h, .expect = store::absent{}, .subject = {}});
    EXPECT_TRUE(a_.admits(by));
    EXPECT_TRUE(a_.admits(by));
    EXPECT_FALSE(a_.admits(by));
}

TEST_F(StoredCount, KeysTellNothingAndKeepClientsApart) {
    const std::string one = stored_count::make_key("shop", "address", "a192.0.2.1");
    EXPECT_EQ(one.find("192"), std::string::npos);
    EXPECT_NE(one, stored_count::make_key("shop", "address", "a192.0.2.2"));
    EXPECT_NE(one, stored_count::make_key("other", "address", "a192.0.2.1"));
    EXPECT_NE(one, stored_count::make_key("shop", "caller", "a192.0.2.1"));
}

}  // namespace
}  // namespace lethe::limits
