// An order that is placed once, however often it is sent: the row and the answer are committed in
// one transaction of the service's own database (guarantee level G3). `idempotent_order 9001
// sqlite:orders.db`, or with postgresql://…, answers so, with lethe in front (examples/lethe.yaml)
// or without:
//
//     POST /orders?item=tea [8e03978e-40d5-43dd-bc93-6894a57f9324] -> 201 {"id":1,"item":"tea"}
//     POST /orders?item=tea [8e03978e-40d5-43dd-bc93-6894a57f9324] -> 201 {"id":1,"item":"tea"}
//     POST /orders?item=mug [8e03978e-40d5-43dd-bc93-6894a57f9324] -> 422
//     POST /orders?item=mug [f2a7c1de-0b1c-4f35-9a2b-3a1f5a8d7c10] -> 201 {"id":2,"item":"mug"}
//     POST /orders?item=mug -> 400
//     GET /orders -> 200 ["tea","mug"]
//
// In brackets: the Idempotency-Key.
#include <cstdlib>
#include <lethe/lethe.hpp>

lethe::response create_order(lethe::request& r, lethe::transaction& tx) {
    const std::string item = r.query_parameter("item").value_or("");
    const auto id = tx.query_row<std::int64_t>(
        "INSERT INTO orders (id, item) SELECT count(*) + 1, $1 FROM orders RETURNING id", item);
    if (id.has_error()) return lethe::response::problem(503, "Not now");
    return lethe::response::json(lethe::json_value().set("id", *id).set("item", item), 201);
}

lethe::response list_orders(lethe::request&, lethe::transaction& tx) {
    const auto items = tx.query<std::string>("SELECT item FROM orders ORDER BY id");
    if (items.has_error()) return lethe::response::problem(503, "Not now");
    std::vector<std::string> names;
    for (const auto& [item] : *items) names.push_back(item);
    return lethe::response::json(names);
}

boost::system::result<void> make_table(lethe::transaction& tx) {
    const auto made =
        tx.execute("CREATE TABLE IF NOT EXISTS orders (id BIGINT PRIMARY KEY, item TEXT NOT NULL)");
    if (made.has_error()) return made.error();
    return {};
}

int main(int count, char** arguments) {
    lethe::service_options options;
    options.port = static_cast<std::uint16_t>(count > 1 ? std::atoi(arguments[1]) : 9001);
    lethe::database db(count > 2 ? arguments[2] : "sqlite:orders.db");
    lethe::idempotent_options keys;
    keys.open_to_all = true;  // with logins: keys.caller_field = "X-User"
    lethe::service shop(options);
    shop.post("/orders", lethe::idempotent(db, create_order, keys));
    shop.get("/orders/by-key/{key}", lethe::reconcile(db, keys));
    shop.get("/orders", lethe::transactional(db, list_orders));
    return db.run(make_table).has_value() && shop.run().has_value() ? 0 : 1;
}
