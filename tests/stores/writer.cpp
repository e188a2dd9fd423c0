// A process that competes with others for the records of a store:
//
//     store_writer COUNTER LINES NAME COROUTINES TIMES URL [PREVIOUS-URL]
//
// Ends with 0 when all its changes were answered as done.
#include "base/log.hpp"
#include "stores/adding.hpp"
#include "stores/set_ups.hpp"

#include <iostream>

int main(int count, char** words) {
    using namespace lethe;
    if (count < 7) return 2;
    const std::vector<std::string> arguments(words + 1, words + count);
    const std::vector<std::string> urls(arguments.begin() + 5, arguments.end());
    // What is said is a failure of the test.
    log::set_level(log::level::error);
    std::string why;
    const auto opened = store::open_urls(urls, {}, why);
    if (opened.has_error()) {
        std::cerr << why << "\n";
        return 1;
    }
    test::running_worker on;
    const store::store_on mine(**opened, on.get());
    const steady_time deadline = on.get().time().steady_now() + std::chrono::minutes{2};
    std::vector<std::future<result<>>> all;
    for (int i = 0; i < std::stoi(arguments[3]); ++i) {
        const std::string name = arguments[2] + "." + std::to_string(i);
        all.push_back(
            test::begin_on_worker(on.get(), store::add_some(*mine, arguments[0], arguments[1], name,
                                                            std::stoi(arguments[4]), deadline)));
    }
    int failed = 0;
    for (auto& one : all) {
        const result<> done = one.get();
        if (done.has_value()) continue;
        std::cerr << describe(done.error()) << "\n";
        ++failed;
    }
    return failed == 0 ? 0 : 1;
}
