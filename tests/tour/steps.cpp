// The calm steps: token, cart, one order, the gateway's death.
#include "tour/tour.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

namespace lethe::tour {
namespace {

using test::bearer;
using test::http_answer;

constexpr const char* order_key = "12345-abcde";
constexpr int tries_max = 12;

std::size_t count_text(const std::string& in, const std::string& what) {
    std::size_t count = 0;
    for (std::size_t at = in.find(what); at != std::string::npos; at = in.find(what, at + 1))
        ++count;
    return count;
}

bool is_replay(const http_answer& answer) {
    return answer.field_or_empty("Idempotent-Replayed") == "true";
}

}  // namespace

walk::walk(test::shop_stage& stage, report& out)
    : stage_(stage), out_(out), browser_(stage.gateway_port()) {}

std::string walk::cookie() const {
    std::string out;
    for (const auto& [name, value] : ada_.cookies)
        out += (out.empty() ? "" : "; ") + name + '=' + value;
    return out;
}

void walk::interrupt_point() const {
    if (test::client::interrupted()) throw std::runtime_error("interrupted");
}

http_answer walk::get(const std::string& target) {
    http_answer answer = browser_.get(target, bearer(ada_.token));
    out_.request("GET " + target, answer);
    interrupt_point();
    return answer;
}

http_answer walk::post(const std::string& target, const std::string& body, const std::string& key) {
    test::field_list fields = bearer(ada_.token);
    if (!key.empty()) fields.emplace_back("Idempotency-Key", key);
    http_answer answer = browser_.post(target, body, fields);
    ada_.cookies = browser_.cookies();
    out_.request("POST " + target + ' ' + (key.empty() ? body : "key " + key), answer);
    interrupt_point();
    return answer;
}

http_answer walk::put_into_cart(const std::string& sku, int quantity) {
    http_answer answer =
        post("/cart/items", R"({"sku":")" + sku + R"(","qty":)" + std::to_string(quantity) + '}');
    if (answer.status != 201) throw std::runtime_error("nothing can be put into the cart");
    return answer;
}

void walk::show_token() {
    out_.step("A customer gets a token and browses the catalogue");
    ada_.token = stage_.token("ada");
    out_.say("lethe token sign --key key.jwk --iss ... --aud shop --sub ada  ->  " +
             ada_.token.substr(0, 30) + "...");
    const http_answer good = get("/catalogue");
    out_.check(good.status == 200, "the token opens the catalogue");

    const http_answer none = browser_.get("/catalogue");
    out_.request("GET /catalogue  without a token", none);
    out_.check(none.status == 401, "no token: 401");
    const http_answer forged = browser_.get("/catalogue", bearer(stage_.forged_token("ada")));
    out_.request("GET /catalogue  forged token", forged);
    out_.check(forged.status == 401, "a token signed with another key: 401");
    const http_answer expired = browser_.get("/catalogue", bearer(stage_.expired_token("ada")));
    out_.request("GET /catalogue  expired token", expired);
    out_.check(expired.status == 401, "an expired token: 401");
    const bool silent =
        (forged.body + expired.body).find(ada_.token.substr(0, 20)) == std::string::npos;
    out_.check(silent && forged.field_or_empty("Content-Type") == "application/problem+json",
               "refusals are problem details and repeat no token");
}

void walk::fill_cart() {
    out_.step("A cart over three different replicas");
    std::set<std::string> wrote;
    static constexpr const char* goods[] = {"tea", "mug", "boat"};
    for (int i = 0; i < 3; ++i)
        wrote.insert(put_into_cart(goods[i], i + 1).field_or_empty("X-Replica"));
    out_.check(wrote.size() == 3, "three replicas took one article each");

    const std::string whole =
        R"({"items":[{"sku":"boat","qty":3},{"sku":"mug","qty":2},{"sku":"tea","qty":1}]})";
    std::set<std::string> read;
    bool same = true;
    for (int i = 0; i < tries_max && read.size() < 3; ++i) {
        const http_answer cart = get("/cart");
        read.insert(cart.field_or_empty("X-Replica"));
        same = same && cart.body == whole + '\n';
    }
    out_.check(read.size() == 3, "three replicas showed the cart");
    out_.check(same, "all of them showed the same whole cart");
    out_.check(ada_.cookies.contains("__Host-lethe"), "the browser holds nothing but a cookie");
}

void walk::order_once() {
    out_.step("POST /orders with Idempotency-Key: " + std::string(order_key));
    const long before = stage_.count_orders();
    const std::string body = R"({"reference":"ada-1"})";
    const http_answer first = post("/orders", body, order_key);
    out_.check(first.status == 201 && !is_replay(first), "the order is made");
    order_body_ = first.body;
    const http_answer second = post("/orders", body, order_key);
    out_.check(second.status == 201 && second.body == first.body && is_replay(second),
               "sent again: the same answer, marked as replayed");
    out_.check(second.field_or_empty("Location") == first.field_or_empty("Location"),
               "the same Location");
    order_eight_at_once(order_key, true);
    out_.check(stage_.count_orders() == before + 1, "ten requests, one order");
    const http_answer cart = get("/cart");
    out_.check(cart.body == "{\"items\":[]}\n", "the order emptied the cart, once");

    put_into_cart("tea", 1);
    order_eight_at_once("67890-fghij", false);
    out_.check(stage_.count_orders() == before + 2, "eight requests with a new key, one order");
    const http_answer other = post("/orders", R"({"reference":"ada-3"})", order_key);
    out_.check(other.status == 422, "the same key for another order: 422");
    const http_answer list = get("/orders");
    out_.check(count_text(list.body, "\"reference\":\"ada-1\"") == 1 &&
                   count_text(list.body, "\"reference\":\"ada-2\"") == 1,
               "the shop's own list has each order once");
}

void walk::order_eight_at_once(const std::string& key, bool is_known) {
    const std::string reference = is_known ? "ada-1" : "ada-2";
    load eight(stage_.gateway_port());
    for (int i = 0; i < 8; ++i)
        eight.add(
            ada_,
            [&](std::size_t) {
                return test::http_request{
                    .method = "POST",
                    .target = "/orders",
                    // Whoever claims to be somebody else stays who the token says.
                    .fields = {{"Idempotency-Key", key},
                               {"X-User", "mallory"},
                               {"Content-Type", "application/json"}},
                    .body = R"({"reference":")" + reference + R"("})"};
            },
            1);
    eight.wait();
    interrupt_point();
    std::set<std::string> bodies;
    std::size_t replays = 0;
    bool all_made = true;
    for (const observation& o : eight.seen()) {
        out_.request("POST /orders key " + key + " (at once)", o.answer);
        all_made = all_made && o.answer.complete() && o.answer.status == 201;
        bodies.insert(o.answer.body);
        if (is_replay(o.answer)) ++replays;
    }
    out_.check(all_made && bodies.size() == 1, "eight at once: each gets the same 201");
    out_.check(replays == (is_known ? 8U : 7U), is_known ? "all eight are marked as replayed"
                                                         : "seven of them are marked as replayed");
    if (is_known) out_.check(bodies.contains(order_body_), "it is the first answer");
    out_.check(bodies.begin()->find("\"user\":\"ada\"") != std::string::npos,
               "the order is ada's, though the request said X-User: mallory");
}

void walk::lose_the_gateway() {
    out_.step("lethe itself is killed and started again");
    put_into_cart("mug", 2);
    const http_answer before = get("/cart");
    const long orders = stage_.count_orders();
    stage_.gateway(0).kill_now();
    out_.say("lethe killed with SIGKILL");
    stage_.start_gateway(0);
    out_.say("lethe started");
    const http_answer after = get("/cart");
    out_.check(after.status == 200 && after.body == before.body, "the cart is still there");
    const http_answer replay = post("/orders", R"({"reference":"ada-1"})", order_key);
    out_.check(replay.status == 201 && replay.body == order_body_ && is_replay(replay),
               "the outcome of " + std::string(order_key) + " is still there and is replayed");
    out_.check(stage_.count_orders() == orders, "no order was made");
}

void walk::all() {
    show_token();
    fill_cart();
    lose_a_replica();
    order_once();
    lose_the_gateway();
    drain();
}

}  // namespace lethe::tour
