#include "stores/rig.hpp"

#include "stores/invariants.hpp"
#include "support/servers.hpp"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <stdexcept>

namespace lethe::store {

using namespace std::chrono_literals;

rig::rig(const std::vector<std::string>& urls, load_options options)
    : options_(std::move(options)) {
    std::string why;
    auto opened = open_urls(urls, {}, why);
    if (opened.has_error()) throw std::runtime_error(why);
    engine_ = *std::move(opened);
    options_.transactions = engine_->promises().transactions;
    for (std::size_t i = 0; i < 2; ++i) {
        stores_[i] = std::make_unique<store_on>(*engine_, workers_[i].get());
        load_options mine = options_;
        mine.number = i;
        loads_[i] = std::make_unique<load>(**stores_[i], workers_[i].get(), mine, kept_);
    }
    expect_progress("the beginning");
}

void rig::expect_progress(const std::string& after) {
    const std::size_t before[] = {done(0), done(1)};
    EXPECT_TRUE(
        test::wait_for([&] { return done(0) > before[0] + 50 && done(1) > before[1] + 50; }, 30s))
        << "after " << after << ": nothing gets done any more";
}

void rig::stop_load() {
    for (const auto& one : loads_) one->stop();
}

void rig::expect_sound(const std::string& name) {
    stop_load();
    EXPECT_TRUE(run(read_all(first(), worker(), options_, kept_)).has_value());
    if (options_.transactions)
        EXPECT_TRUE(run(look_at_pair(first(), options_, worker().time().steady_now() + 30s, kept_))
                        .has_value());
    const std::vector<std::string> complaints = kept_.complaints();
    for (std::size_t i = 0; i < std::min<std::size_t>(complaints.size(), 5); ++i)
        ADD_FAILURE() << complaints[i];
    std::cout << name << ": " << summary_of(kept_.events()) << "\n";
    // What was given up may still be carried out a little later, so once more when it differs.
    std::string wrong;
    EXPECT_TRUE(test::wait_for(
        [&] {
            const auto found = run(check_index(first(), worker(), options_));
            wrong = found.has_error() ? describe(found.error())
                                      : (found->empty() ? "" : found->front());
            return wrong.empty();
        },
        10s))
        << wrong;
}

void rig::expect_explained(const std::string& name, check_options how) {
    expect_sound(name);
    const verdict found = check_linearizable(kept_.events(), how);
    EXPECT_EQ(found.what, verdict::kind::linearizable) << found.why << "\n"
                                                       << kept_.note_of(found.number);
}

std::vector<event> filled(const std::string& url, const load_options& options) {
    std::string why;
    auto opened = open_urls({url}, {}, why);
    if (opened.has_error()) throw std::runtime_error(why);
    test::running_worker on;
    const store_on in(**opened, on.get());
    history kept;
    load clients(*in, on.get(), options, kept);
    EXPECT_TRUE(test::wait_for([&] { return clients.done() > 100 + 2 * options.keys; }, 60s));
    clients.stop();
    for (const std::string& what : kept.complaints()) ADD_FAILURE() << what;
    return kept.events();
}

std::chrono::seconds fault_time(int seconds) {
    const char* const wanted = std::getenv("LETHE_FAULT_SECONDS");
    return std::chrono::seconds(wanted != nullptr ? std::atoi(wanted) : seconds);
}

}  // namespace lethe::store
