#include "stores/conformance.hpp"

#include "base/log.hpp"
#include "support/servers.hpp"

#include <atomic>
#include <iostream>
#include <stdexcept>

namespace lethe::store {
namespace {

// Servers stop before main() ends.
class stops_stages final : public ::testing::Environment {
 public:
    // That a server is away is what many of the tests are about.
    void SetUp() override { log::set_level(log::level::error); }
    void TearDown() override { stage::stop_all(); }
};
[[maybe_unused]] const auto* const registered =
    ::testing::AddGlobalTestEnvironment(new stops_stages);

TEST(Valkey, IsTestedWhereItIsInstalled) {
    if (!test::has_program("valkey-server"))
        std::cout << "valkey-server is not installed: nothing was tested with Valkey\n";
}

std::string fresh_prefix() {
    static std::atomic<int> count{0};
    return std::string(::testing::UnitTest::GetInstance()->current_test_info()->name())
               .substr(0, 40) +
           std::to_string(++count) + ".";
}

}  // namespace

Conformance::Conformance() : stage_(stage::of(GetParam())), prefix_(fresh_prefix()) {
    open_again();
}

void Conformance::open_again() {
    on_.reset();
    engine_.reset();
    engine_ = stage_.open();
    if (engine_ == nullptr) throw std::runtime_error("the store cannot be opened");
    on_ = std::make_unique<store_on>(*engine_, worker());
    store_ = &**on_;
}

std::vector<answer> Conformance::ask_all(std::vector<operation> all) {
    const std::size_t count = all.size();
    result<std::vector<answer>> got = run(store_->batch(std::move(all), soon()));
    EXPECT_TRUE(got.has_value()) << describe(got.error());
    if (got.has_error()) return std::vector<answer>(count);
    EXPECT_EQ(got->size(), count);
    return std::move(*got);
}

std::vector<answer> Conformance::transact(std::vector<operation> all) {
    const std::size_t count = all.size();
    result<std::vector<answer>> got = run(store_->transact(std::move(all), soon()));
    EXPECT_TRUE(got.has_value()) << describe(got.error());
    if (got.has_error()) return std::vector<answer>(count);
    EXPECT_EQ(got->size(), count);
    return std::move(*got);
}

answer Conformance::ask(operation one) {
    result<answer> got = run(store_->run(std::move(one), soon()));
    EXPECT_TRUE(got.has_value()) << describe(got.error());
    return got.has_value() ? std::move(*got) : answer{};
}

answer Conformance::write(const std::string& key, std::string value, expectation expect,
                          std::chrono::milliseconds ttl, std::string subject) {
    return ask(put{key, std::move(value), ttl, expect, std::move(subject)});
}

std::vector<std::string> Conformance::list(const std::string& subject, const std::string& prefix,
                                           std::size_t page) {
    std::vector<std::string> out;
    std::string after;
    while (true) {
        const result<subject_page> got =
            run(store_->list_subject(subject, prefix, after, page, soon()));
        EXPECT_TRUE(got.has_value()) << describe(got.error());
        if (got.has_error()) break;
        EXPECT_LE(got->keys.size(), page);
        out.insert(out.end(), got->keys.begin(), got->keys.end());
        if (!got->more) break;
        EXPECT_FALSE(got->keys.empty()) << "a page that says there is more leads to the next";
        if (got->keys.empty()) break;
        after = got->keys.back();
    }
    return out;
}

}  // namespace lethe::store
