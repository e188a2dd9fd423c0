// A service of a user of the library: a coroutine, and a handler on a database of its own.
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

lethe::response count(lethe::request&, lethe::transaction& tx) {
    const auto one = tx.query_row<int>("SELECT 1 + $1", 1);
    if (one.has_error()) return lethe::response::problem(503, one.error().message());
    return lethe::response::json(lethe::json_value().set("count", *one));
}

}  // namespace

int main(int arguments, char** argument) {
    lethe::database db(arguments > 1 ? argument[1] : "sqlite:hello.db");
    lethe::service_options options;
    options.port = 0;  // the system picks one
    lethe::service hello(options);
    hello.get("/hello/{name}", greet);
    hello.get("/count", lethe::transactional(db, count));
    hello.post("/count", lethe::idempotent(db, count));
    hello.on_ready([](std::uint16_t port) { std::cout << port << std::endl; });
    const auto served = hello.run();
    if (served.has_value()) return 0;
    std::cerr << "hello: " << served.error().message() << '\n';
    return 1;
}
