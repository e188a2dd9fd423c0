// A service with an idempotent handler that dies when it is told to:
//
//     lethe_order_service PORT DATABASE-URL
//
// POST /orders writes an order with a number and answers with it. `X-Die: before` and `X-Die:
// after` kill the process before and behind the handler's statement, `X-Die: 1500` so many
// microseconds behind it, wherever it then is: in the outcome, in COMMIT, in the answer.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <lethe/lethe.hpp>
#include <string>
#include <string_view>
#include <thread>

namespace {

void die() {
    ::kill(::getpid(), SIGKILL);
    ::pause();
}

void die_in(std::chrono::microseconds time) {
    std::thread([time] {
        std::this_thread::sleep_for(time);
        die();
    }).detach();
}

lethe::response create_order(lethe::request& r, lethe::transaction& tx) {
    const std::string_view when = r.header("X-Die").value_or("");
    if (when == "before") die();
    const auto id = tx.query_row<std::int64_t>(
        "INSERT INTO orders (number, idempotency_key) SELECT coalesce(max(number), 0) + 1, $1 "
        "FROM orders RETURNING number",
        r.idempotency_key());
    if (id.has_error()) return lethe::response::problem(503, "Not now");
    if (when == "after") die();
    if (!when.empty()) die_in(std::chrono::microseconds(std::atol(std::string(when).c_str())));
    return lethe::response::json(lethe::json_value().set("number", *id), 201);
}

boost::system::result<void> make_tables(lethe::transaction& tx) {
    const auto done = tx.execute(
        "CREATE TABLE IF NOT EXISTS orders (number BIGINT NOT NULL, idempotency_key TEXT)");
    if (done.has_error()) return done.error();
    return {};
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) return 2;
    lethe::database db(arguments[2]);
    lethe::idempotent_options keys;
    keys.open_to_all = true;
    keys.wait = std::chrono::milliseconds(200);
    lethe::service_options options;
    options.port = static_cast<std::uint16_t>(std::atoi(arguments[1]));
    lethe::service service(options);
    service.post("/orders", lethe::idempotent(db, create_order, keys));
    service.get("/orders/by-key/{key}", lethe::reconcile(db, keys));
    service.get("/healthz", lethe::transactional(db, [](lethe::request&, lethe::transaction& tx) {
                    const bool there = tx.query_row<int>("SELECT count(*) FROM orders").has_value();
                    return there ? lethe::response::text("ok\n")
                                 : lethe::response::problem(503, "No database");
                }));
    const auto made = db.run(make_tables);
    if (made.has_error()) return 3;
    return service.run().has_value() ? 0 : 1;
}
