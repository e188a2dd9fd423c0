// A process that loads a store until it is killed, and has written down all that it did:
//
//     store_load FILE PREFIX SEED NUMBER VALUE-BYTES URL [PREVIOUS-URL]
#include "base/log.hpp"
#include "stores/load.hpp"
#include "stores/set_ups.hpp"

#include <unistd.h>

#include <iostream>

int main(int count, char** words) {
    using namespace lethe;
    if (count < 7) return 2;
    const std::vector<std::string> arguments(words + 1, words + count);
    // What is said is a failure of the test.
    log::set_level(log::level::error);
    std::string why;
    const auto opened = store::open_urls({arguments.begin() + 5, arguments.end()}, {}, why);
    if (opened.has_error()) {
        std::cerr << why << "\n";
        return 1;
    }
    test::running_worker on;
    const store::store_on mine(**opened, on.get());
    store::history kept(arguments[0]);
    const store::load clients(*mine, on.get(),
                              {.seed = std::stoull(arguments[2]),
                               .number = std::stoull(arguments[3]),
                               .prefix = arguments[1],
                               .deadline = std::chrono::seconds{5},
                               .pause_max = std::chrono::microseconds{300},
                               .value_bytes_max = std::stoull(arguments[4]),
                               .transactions = mine->promises().transactions},
                              kept);
    while (kept.complaints().empty()) ::usleep(10'000);
    std::cerr << kept.complaints()[0] << "\n";
    return 1;
}
