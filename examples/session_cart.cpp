// A cart in the session that lethe keeps, read and changed with types. The service itself remembers
// nothing. `session_cart 9001` behind lethe (examples/lethe.yaml) answers one browser so:
//
//     GET /cart -> 200 {"items":[],"pieces":0}
//     POST /cart/items?sku=tea&qty=2 -> 201 {"sku":"tea","qty":2}
//     POST /cart/items?sku=mug&qty=1 -> 201 {"sku":"mug","qty":1}
//     GET /cart -> 200 {"items":[{"sku":"tea","qty":2},{"sku":"mug","qty":1}],"pieces":3}
//     POST /cart/items?sku=tea&qty=x -> 422
//     POST /checkout -> 200 {"bought":2}
//     GET /cart -> 200 {"items":[],"pieces":0}
#include <charconv>
#include <cstdlib>
#include <lethe/lethe.hpp>

using answer = boost::asio::awaitable<lethe::response>;

struct line {
    std::string sku;
    int quantity = 0;
    static constexpr auto json_members = lethe::members("sku", &line::sku, "qty", &line::quantity);
};

answer show_cart(lethe::request r) {
    const auto items = r.session().slot("cart").get_or<std::vector<line>>("/items", {});
    if (items.has_error()) co_return lethe::response::problem(500, items.error().message());
    int pieces = 0;
    for (const line& one : *items) pieces += one.quantity;
    co_return lethe::response::json(lethe::json_value().set("items", *items).set("pieces", pieces));
}

answer add_item(lethe::request r) {
    line made{r.query_parameter("sku").value_or(""), 0};
    const std::string text = r.query_parameter("qty").value_or("1");
    std::from_chars(text.data(), text.data() + text.size(), made.quantity);
    if (made.quantity < 1) co_return lethe::response::problem(422, "qty must be 1 or more");
    lethe::response out = lethe::response::json(made, 201);
    co_return out.change_session(lethe::session_change().set_add("/cart/items", made));
}

// Only what was shown is bought: where another tab has changed the cart meanwhile, the client gets
// 409 session-conflict and nothing happens.
answer check_out(lethe::request r) {
    const auto items = r.session().slot("cart").get<std::vector<line>>("/items");
    if (items.has_error()) co_return lethe::response::problem(409, "The cart is empty");
    lethe::response out = lethe::response::json(lethe::json_value().set("bought", items->size()));
    co_return out.change_session(
        lethe::session_patch().test("/cart/items", *items).remove("/cart"));
}

int main(int count, char** arguments) {
    lethe::service_options options;
    options.port = static_cast<std::uint16_t>(count > 1 ? std::atoi(arguments[1]) : 9001);
    lethe::service shop(options);
    shop.get("/cart", show_cart).post("/cart/items", add_item).post("/checkout", check_out);
    return shop.run().has_value() ? 0 : 1;
}
