// The contract, asked of every engine: no change of concurrent writers is lost, whether they are
// coroutines of one worker, workers of one process, or processes.
#include "stores/adding.hpp"
#include "stores/conformance.hpp"
#include "support/process.hpp"

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

namespace lethe::store {
namespace {

using namespace std::chrono_literals;

class Concurrency : public Conformance {
 protected:
    // Every increment and every line is there, once.
    void expect_all(const std::string& counter, const std::string& lines, int total) {
        EXPECT_EQ(read(counter).value_or(record{}).value, std::to_string(total));
        std::istringstream text(read(lines).value_or(record{}).value);
        std::set<std::string> found;
        for (std::string line; std::getline(text, line);)
            EXPECT_TRUE(found.insert(line).second) << line;
        EXPECT_EQ(found.size(), static_cast<std::size_t>(total));
    }
};
INSTANTIATE_TEST_SUITE_P(Stores, Concurrency, ::testing::ValuesIn(names_of(any_set_up)), name_of);

TEST_P(Concurrency, NoChangeOfSeveralWorkersIsLost) {
    constexpr int workers = 3;
    constexpr int coroutines = 8;
    constexpr int times = 5;
    std::vector<std::unique_ptr<test::running_worker>> running;
    std::vector<std::unique_ptr<store_on>> stores;
    std::vector<std::future<result<>>> all;
    for (int w = 0; w < workers; ++w) {
        running.push_back(std::make_unique<test::running_worker>());
        stores.push_back(std::make_unique<store_on>(*engine_, running.back()->get()));
        for (int c = 0; c < coroutines; ++c)
            all.push_back(test::begin_on_worker(
                running.back()->get(),
                add_some(**stores.back(), own("counter"), own("lines"),
                         std::to_string(w) + "." + std::to_string(c), times, soon())));
    }
    for (auto& one : all) {
        const result<> done = one.get();
        EXPECT_TRUE(done.has_value()) << describe(done.error());
    }
    stores.clear();
    expect_all(own("counter"), own("lines"), workers * coroutines * times);
}

task<> put_if_absent(store& to, std::string key, std::string value, steady_time deadline,
                     std::atomic<int>& won) {
    const result<answer> made =
        co_await to.run(put{std::move(key), std::move(value), 1h, absent{}, ""}, deadline);
    if (made.has_error()) co_return made.error();
    if (made->done) ++won;
    co_return result<>{};
}

TEST_P(Concurrency, OneOfManyWhoClaimAnAbsentRecordGetsIt) {
    test::running_worker other;
    const store_on theirs(*engine_, other.get());
    for (int round = 0; round < 10; ++round) {
        std::atomic<int> won{0};
        std::vector<std::future<result<>>> all;
        for (int i = 0; i < 16; ++i) {
            const bool mine = i % 2 == 0;
            all.push_back(test::begin_on_worker(
                mine ? worker() : other.get(),
                put_if_absent(mine ? *store_ : *theirs, own("k" + std::to_string(round)),
                              std::to_string(i), soon(), won)));
        }
        for (auto& one : all) EXPECT_TRUE(one.get().has_value());
        EXPECT_EQ(won, 1);
    }
}

class ConcurrentTransactions : public Concurrency {};
INSTANTIATE_TEST_SUITE_P(Stores, ConcurrentTransactions,
                         ::testing::ValuesIn(names_of([](const set_up& one) {
                             return one.promises.transactions;
                         })),
                         name_of);

// Puts a record in transactions that all are undone.
task<> put_in_vain(store& to, std::string key, std::string missing, int times,
                   steady_time deadline) {
    for (int i = 0; i < times; ++i) {
        const result<std::vector<answer>> undone =
            co_await to.transact({put{key, "v", 1h, anything{}, ""}, touch{missing, 1h}}, deadline);
        if (undone.has_error()) co_return undone.error();
    }
    co_return result<>{};
}

task<> look_for(store& in, std::string key, int times, steady_time deadline,
                std::atomic<int>& seen) {
    for (int i = 0; i < times; ++i) {
        const result<std::optional<record>> found = co_await in.read(key, deadline);
        if (found.has_error()) co_return found.error();
        seen += found->has_value();
    }
    co_return result<>{};
}

TEST_P(ConcurrentTransactions, NobodySeesWhatIsUndone) {
    std::atomic<int> seen{0};
    std::vector<std::future<result<>>> all;
    for (int i = 0; i < 4; ++i) {
        const std::string key = own("k" + std::to_string(i % 2));
        all.push_back(
            test::begin_on_worker(worker(), put_in_vain(*store_, key, own("missing"), 50, soon())));
        all.push_back(test::begin_on_worker(worker(), look_for(*store_, key, 200, soon(), seen)));
    }
    for (auto& one : all) {
        const result<> done = one.get();
        EXPECT_TRUE(done.has_value()) << describe(done.error());
    }
    EXPECT_EQ(seen, 0);
}

class SharedStores : public Concurrency {};
INSTANTIATE_TEST_SUITE_P(Stores, SharedStores, ::testing::ValuesIn(names_of([](const set_up& one) {
                             return one.promises.shared;
                         })),
                         name_of);

TEST_P(SharedStores, NoChangeOfSeveralProcessesIsLost) {
    constexpr int processes = 4;
    constexpr int coroutines = 4;
    constexpr int times = 8;
    const test::temporary_folder folder("lethe-writers-");
    const std::filesystem::path output = folder.path() / "output";
    std::vector<test::process> all;
    for (int p = 0; p < processes; ++p) {
        std::vector<std::string> command = {STORE_WRITER,
                                            own("counter"),
                                            own("lines"),
                                            std::to_string(p),
                                            std::to_string(coroutines),
                                            std::to_string(times)};
        command.insert(command.end(), stage_.urls().begin(), stage_.urls().end());
        all.emplace_back(test::process_options{.command = command, .output = output});
    }
    for (test::process& one : all) EXPECT_EQ(one.wait(2min).value_or(-1), 0);
    std::stringstream said;
    said << std::ifstream(output).rdbuf();
    EXPECT_EQ(said.str(), "");
    expect_all(own("counter"), own("lines"), processes * coroutines * times);
}

}  // namespace
}  // namespace lethe::store
