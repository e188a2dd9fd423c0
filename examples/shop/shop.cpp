#include "shop.hpp"

#include "cart.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace asio = boost::asio;
namespace json = boost::json;
using boost::system::result;
using lethe::request;
using lethe::response;
using answer = asio::awaitable<response>;

namespace shop {
namespace {

constexpr std::chrono::milliseconds slowness_max{30'000};
constexpr std::size_t reference_bytes_max = 64;
constexpr std::string_view prints = "print-";
constexpr int print_number_max = 99'999;

struct article {
    std::string_view sku;
    std::string_view name;
    int price;  // cents
};
constexpr article articles[] = {
    {"tea", "Tea from the river bank", 450},
    {"mug", "A mug that forgets its owner", 1200},
    {"boat", "Passage, one way", 100},
    {"print", "Numbered print: print-1 to print-99999", 2500},
};

bool is_for_sale(std::string_view sku) {
    if (sku.starts_with(prints)) {
        const std::string_view text = sku.substr(prints.size());
        int number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        return error == std::errc{} && end == text.data() + text.size() && text.front() != '0' &&
               number > 0 && number <= print_number_max;
    }
    return sku != "print" &&
           std::ranges::any_of(articles, [&](const article& a) { return a.sku == sku; });
}

response json_answer(const json::object& body, int status = 200) {
    return response::json_text(json::serialize(body) + '\n', status);
}

response no_database() {
    response out = response::problem(503, "The orders cannot be reached", "Nothing was changed.");
    out.set("Retry-After", "1");
    return out;
}

response not_a_cart() {
    return response::problem(500, "The session holds something else than a cart");
}

// An empty body counts as an empty object.
std::optional<json::object> parse_body(const request& r) {
    if (r.body().empty()) return json::object{};
    boost::system::error_code error;
    const json::value root = json::parse(r.body(), error);
    if (error || !root.is_object()) return std::nullopt;
    return root.as_object();
}

asio::awaitable<void> dawdle(const premises& with, const request& r) {
    std::chrono::milliseconds time = with.slowness;
    if (const auto wish = r.query_parameter("delay"))
        time = std::chrono::milliseconds(std::strtol(wish->c_str(), nullptr, 10));
    if (time <= std::chrono::milliseconds{0}) co_return;
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, std::min(time, slowness_max));
    co_await timer.async_wait(asio::use_awaitable);
}

answer show_health(request) {
    co_return json_answer({{"status", "ok"}});
}

answer show_catalogue(premises& with, request r) {
    json::array list;
    for (const article& a : articles)
        list.push_back(json::object{{"sku", a.sku}, {"name", a.name}, {"price", a.price}});
    co_await dawdle(with, r);
    co_return json_answer({{"articles", list}});
}

answer show_cart(premises& with, request r) {
    const std::optional<cart> found = cart::read(r);
    co_await dawdle(with, r);
    if (!found) co_return not_a_cart();
    co_return json_answer({{"items", found->summed()}});
}

answer add_to_cart(premises& with, request r) {
    const std::optional<json::object> body = parse_body(r);
    if (!body) co_return response::problem(400, "The body is not a JSON object");
    const json::value* const sku = body->if_contains("sku");
    if (sku == nullptr || !sku->is_string() || !is_for_sale(sku->as_string()))
        co_return response::problem(422, "No such article");
    const json::value* const quantity = body->if_contains("qty");
    const std::int64_t count =
        quantity == nullptr ? 1 : (quantity->is_int64() ? quantity->as_int64() : 0);
    if (count < 1 || count > 99) co_return response::problem(422, "qty must be 1 to 99");
    const std::optional<cart> found = cart::read(r);
    if (!found) co_return not_a_cart();
    if (found->lines() >= cart_lines_max) co_return response::problem(409, "The cart is full");
    response out = json_answer({{"added", {{"sku", *sku}, {"qty", count}}}}, 201);
    out.change_session(put_into_cart(sku->as_string(), static_cast<int>(count)));
    co_await dawdle(with, r);
    co_return out;
}

json::object to_json(const order& one) {
    return {{"id", one.id},
            {"user", one.user},
            {"reference", one.reference},
            {"items", json::parse(one.items)}};
}

answer create_order(premises& with, request r) {
    const std::string user(r.header("X-User").value_or(""));
    if (user.empty()) co_return response::problem(401, "Nobody is logged in");
    const std::optional<json::object> body = parse_body(r);
    if (!body) co_return response::problem(400, "The body is not a JSON object");
    order made;
    made.user = user;
    if (const json::value* const reference = body->if_contains("reference")) {
        if (!reference->is_string() || reference->as_string().size() > reference_bytes_max)
            co_return response::problem(422, "reference must be a string of at most 64 characters");
        made.reference = reference->as_string();
    }
    const std::optional<cart> found = cart::read(r);
    if (!found) co_return not_a_cart();
    if (found->lines() == 0) co_return response::problem(422, "The cart is empty");
    made.items = json::serialize(found->summed());

    const auto insert = [&] { return with.orders.insert(made); };
    const result<std::optional<std::int64_t>> id = co_await lethe::blocking(insert);
    if (id.has_error() || !*id) co_return no_database();
    made.id = **id;
    response out = json_answer({{"order", to_json(made)}}, 201);
    out.set("Location", "/orders/" + std::to_string(made.id));
    out.change_session(found->taken_out());
    co_await dawdle(with, r);
    co_return out;
}

answer list_orders(premises& with, request r) {
    const std::string user(r.header("X-User").value_or(""));
    if (user.empty()) co_return response::problem(401, "Nobody is logged in");
    const auto read = [&] { return with.orders.of_user(user); };
    const result<std::optional<std::vector<order>>> found = co_await lethe::blocking(read);
    if (found.has_error() || !*found) co_return no_database();
    json::array list;
    for (const order& one : **found) list.push_back(to_json(one));
    co_await dawdle(with, r);
    co_return json_answer({{"orders", list}});
}

answer count_orders(premises& with, request) {
    const auto read = [&] { return with.orders.count(); };
    const result<std::optional<std::int64_t>> found = co_await lethe::blocking(read);
    if (found.has_error() || !*found) co_return no_database();
    co_return json_answer({{"count", **found}});
}

}  // namespace

void add_pages(lethe::service& to, premises& with) {
    const auto page = [&with](answer (*show)(premises&, request)) {
        return [&with, show](request r) { return show(with, std::move(r)); };
    };
    to.get("/healthz", show_health)
        .get("/catalogue", page(show_catalogue))
        .get("/cart", page(show_cart))
        .post("/cart/items", page(add_to_cart))
        .post("/orders", page(create_order))
        .get("/orders", page(list_orders))
        .get("/orders/count", page(count_orders));
}

}  // namespace shop
