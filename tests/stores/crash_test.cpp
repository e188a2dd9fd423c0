// Crash points: processes that change records in many steps are killed at random moments. What is
// there afterwards is whole, explained by what they had asked, and listed.
#include "stores/conformance.hpp"
#include "stores/invariants.hpp"
#include "stores/linearizable.hpp"
#include "stores/load.hpp"
#include "stores/rig.hpp"
#include "support/process.hpp"
#include "support/servers.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <thread>

namespace lethe::store {
namespace {

using namespace std::chrono_literals;

class Crash : public Conformance {
 protected:
    // Kills `processes` loads one after the other; the records stay those of `options`.
    void kill_loads(const load_options& options, std::size_t processes);

    void expect_sound_index(const load_options& options);
    // In the store that records move from, where there is one: the dying processes move them.
    void fill_previous(load_options options) {
        if (stage_.urls().size() < 2) return;
        options.number = 1000;
        const std::vector<event> made = filled(stage_.urls()[1], options);
        events_.insert(events_.end(), made.begin(), made.end());
    }

    const test::temporary_folder folder_{"lethe-crash-"};
    std::mt19937_64 random_{seed_of_this_run()};
    std::vector<event> events_;
};
INSTANTIATE_TEST_SUITE_P(Stores, Crash, ::testing::ValuesIn(names_of([](const set_up& one) {
                             return one.promises.shared;
                         })),
                         name_of);

std::string content_of(const std::filesystem::path& file) {
    std::stringstream out;
    out << std::ifstream(file).rdbuf();
    return out.str();
}

void Crash::kill_loads(const load_options& options, std::size_t processes) {
    struct one_load {
        std::filesystem::path file;
        test::process child;
    };
    const std::filesystem::path output = folder_.path() / "output";
    const auto start = [&](std::size_t number) {
        const std::filesystem::path file = folder_.path() / std::to_string(number);
        std::vector<std::string> command = {STORE_LOAD,
                                            file,
                                            options.prefix,
                                            std::to_string(options.seed),
                                            std::to_string(number),
                                            std::to_string(options.value_bytes_max)};
        command.insert(command.end(), stage_.urls().begin(), stage_.urls().end());
        return one_load{file, test::process({.command = command, .output = output})};
    };
    // Two at a time, so that one works while the other dies.
    std::vector<one_load> running;
    std::size_t number = 0;
    while (number < processes || !running.empty()) {
        while (running.size() < 2 && number < processes) running.push_back(start(++number));
        // Only once it works, however slow the machine is.
        one_load& victim = running.front();
        const std::size_t wanted = 100 + random_() % 200;
        const bool works = test::wait_for(
            [&] {
                return !victim.child.running() || history::from_file(victim.file).size() > wanted;
            },
            60s);
        EXPECT_TRUE(works && victim.child.running()) << content_of(output);
        std::this_thread::sleep_for(std::chrono::microseconds(random_() % 20'000));
        victim.child.kill_now();
        const std::vector<event> more = history::from_file(victim.file);
        events_.insert(events_.end(), more.begin(), more.end());
        running.erase(running.begin());
    }
    EXPECT_EQ(content_of(output), "");
}

// What a dead process had sent may be carried out a little later, so once more when it differs.
void Crash::expect_sound_index(const load_options& options) {
    std::string wrong;
    const bool sound = test::wait_for(
        [&] {
            const auto found = run(check_index(*store_, worker(), options));
            wrong = found.has_error() ? describe(found.error())
                                      : (found->empty() ? "" : found->front());
            return wrong.empty();
        },
        10s);
    EXPECT_TRUE(sound) << wrong;
}

TEST_P(Crash, EachRecordIsWholeAndListedWhereverTheWriterDied) {
    const load_options options{.seed = random_(), .prefix = own("")};
    fill_previous(options);
    kill_loads(options, 8);
    load_options large = options;
    large.prefix = own("large/");
    // Up to 4 MB: more than a packet, a page, or an item holds.
    large.value_bytes_max = 80'000;
    fill_previous(large);
    kill_loads(large, 4);
    std::cout << GetParam() << ": " << summary_of(events_) << "\n";
    for (const load_options& one : {options, large}) {
        history last;
        load_options reading = one;
        EXPECT_TRUE(run(read_all(*store_, worker(), reading, last)).has_value());
        if (stage_.what().promises.transactions)
            EXPECT_TRUE(run(look_at_pair(*store_, reading, soon(), last)).has_value());
        for (const std::string& what : last.complaints()) ADD_FAILURE() << what;
        expect_sound_index(reading);
    }
}

TEST_P(Crash, WhatWasAnsweredIsThereAndTheRestIsExplained) {
    const load_options options{.seed = random_(), .prefix = own("")};
    fill_previous(options);
    kill_loads(options, 8);
    history last;
    EXPECT_TRUE(run(read_all(*store_, worker(), options, last)).has_value());
    const std::vector<event> read = last.events();
    events_.insert(events_.end(), read.begin(), read.end());
    const verdict found = check_linearizable(
        events_, {.forgets = stage_.what().promises.may_evict, .moves = stage_.urls().size() > 1});
    EXPECT_EQ(found.what, verdict::kind::linearizable) << found.why;
    EXPECT_GT(std::ranges::count(events_, event::outcome::open, &event::answered), 0)
        << "nobody was killed while he waited";
}

}  // namespace
}  // namespace lethe::store
