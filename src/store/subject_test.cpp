#include "store/subject.hpp"

#include "store/test_stores.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>

namespace lethe::store {
namespace {

using namespace std::chrono_literals;
using test::run;

class EraseSubject : public ::testing::Test {
 protected:
    void write(std::string key, std::string subject) {
        const result<answer> put_answer =
            run(store_->run(put{std::move(key), "v", 1h, anything{}, std::move(subject)}, soon()));
        ASSERT_TRUE(put_answer.has_value() && put_answer->done);
    }
    bool is_there(std::string key) {
        return run(store_->read(std::move(key), soon()))->has_value();
    }
    [[nodiscard]] steady_time soon() { return scene_.clock().steady_now() + 10s; }

    test_scene scene_;
    std::unique_ptr<engine> engine_ = scene_.open("memory:");
    std::unique_ptr<store> store_ = engine_->make_store(scene_.clock());
};

TEST_F(EraseSubject, AllRecordsOfThePersonGoAndNobodyElses) {
    for (int i = 0; i < 300; ++i) write("s:" + std::to_string(i), "alice");
    write("i:1", "alice");
    write("s:bob", "bob");
    write("s:nobody", "");
    std::size_t told = 0;
    const result<std::size_t> erased =
        run(erase_subject(*store_, "alice", "", soon(),
                          [&](const std::vector<std::string>& keys) { told += keys.size(); }));
    ASSERT_TRUE(erased.has_value());
    EXPECT_EQ(*erased, 301U);
    EXPECT_EQ(told, 301U);
    EXPECT_TRUE(run(store_->list_subject("alice", "", "", 10, soon()))->keys.empty());
    EXPECT_TRUE(is_there("s:bob") && is_there("s:nobody"));
    EXPECT_EQ(*run(erase_subject(*store_, "alice", "", soon())), 0U) << "again is safe";
}

TEST_F(EraseSubject, APrefixLeavesTheOtherKinds) {
    write("s:1", "alice");
    write("i:1", "alice");
    EXPECT_EQ(*run(erase_subject(*store_, "alice", "s:", soon())), 1U);
    EXPECT_TRUE(is_there("i:1"));
    EXPECT_FALSE(is_there("s:1"));
}

TEST_F(EraseSubject, AStoreThatIsAwayIsAnError) {
    write("s:1", "alice");
    engine_->close();
    EXPECT_EQ(run(erase_subject(*store_, "alice", "", soon())).error(), errc::unavailable);
}

}  // namespace
}  // namespace lethe::store
