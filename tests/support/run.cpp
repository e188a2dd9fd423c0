#include "support/run.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <vector>

namespace lethe::test {

void run_loop(std::vector<boost::asio::awaitable<void>> work) {
    abort_on_bug(true);
    boost::asio::io_context loop{1};
    for (auto& one : work)
        boost::asio::co_spawn(loop, std::move(one), [](std::exception_ptr failure) {
            if (failure) std::rethrow_exception(failure);
        });
    loop.run();
}

void run_loop(boost::asio::awaitable<void> work) {
    std::vector<boost::asio::awaitable<void>> one;
    one.push_back(std::move(work));
    run_loop(std::move(one));
}

}  // namespace lethe::test
