// A service of a user of the library: one route, one coroutine.
#include <cstdint>
#include <iostream>
#include <lethe/lethe.hpp>
#include <string>
#include <utility>

namespace {

boost::asio::awaitable<lethe::response> greet(lethe::request r) {
    std::string name(r.path_parameter("name"));
    co_return lethe::response::text("hello, " + std::move(name) + "\n");
}

}  // namespace

int main() {
    lethe::service_options options;
    options.port = 0;  // the system picks one
    lethe::service hello(options);
    hello.get("/hello/{name}", greet);
    hello.on_ready([](std::uint16_t port) { std::cout << port << std::endl; });
    const auto served = hello.run();
    if (served.has_value()) return 0;
    std::cerr << "hello: " << served.error().message() << '\n';
    return 1;
}
