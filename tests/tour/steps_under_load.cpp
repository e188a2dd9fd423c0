// The steps under load: a replica dies, lethe drains.
#include "tour/tour.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <set>
#include <stdexcept>
#include <thread>

namespace lethe::tour {
namespace {

using std::chrono::milliseconds;
using test::http_answer;

// With two workers and three replicas in turn: enough that one worker sends to all three.
constexpr std::size_t guests = 6;
constexpr std::size_t victim = 1;
constexpr std::size_t writers = 2;
constexpr std::size_t writes_each = 10;

void pause(milliseconds time) {
    std::this_thread::sleep_for(time);
}

test::http_request reading(const std::string& target) {
    return {.method = "GET", .target = target, .fields = {}, .body = {}};
}

std::string print_name(std::size_t number) {
    return "print-" + std::to_string(number);
}

test::http_request adding(std::size_t number) {
    return {.method = "POST",
            .target = "/cart/items?delay=60",
            .fields = {{"Content-Type", "application/json"}},
            .body = R"({"sku":")" + print_name(number) + R"(","qty":1})"};
}

bool is_read(const observation& o) {
    return o.request.method == "GET";
}

bool is_honest_failure(const http_answer& answer) {
    return answer.complete() &&
           (answer.status == 502 || answer.status == 503 || answer.status == 504);
}

// How often the cart says that it holds that article, by its quantity.
long quantity_of(const std::string& cart, const std::string& sku) {
    const std::string start = R"({"sku":")" + sku + R"(","qty":)";
    const std::size_t at = cart.find(start);
    return at == std::string::npos ? 0 : std::stol(cart.substr(at + start.size()));
}

std::string sku_of(const observation& o) {
    const std::size_t at = o.request.body.find("print-");
    return o.request.body.substr(at, o.request.body.find('"', at) - at);
}

std::string key_of(const observation& o) {
    for (const auto& [name, value] : o.request.fields)
        if (name == "Idempotency-Key") return value;
    return {};
}

}  // namespace

void walk::begin_slow_orders(load& orders) {
    for (std::size_t i = 0; i < guests; ++i) {
        const std::string name = "guest-" + std::to_string(i + 1);
        visitor guest{stage_.token(name), {}};
        test::client hand(stage_.gateway_port());
        const http_answer added =
            hand.post("/cart/items", R"({"sku":"tea","qty":1})", test::bearer(guest.token));
        if (added.status != 201) throw std::runtime_error(name + " gets nothing into a cart");
        guest.cookies = hand.cookies();
        guests_.push_back(guest);
    }
    const long before = stage_.count_orders();
    for (std::size_t i = 0; i < guests; ++i) {
        const std::string name = "slow-" + std::to_string(i + 1);
        const auto make = [name](std::size_t) {
            return test::http_request{
                .method = "POST",
                .target = "/orders?delay=3000",
                .fields = {{"Idempotency-Key", name}, {"Content-Type", "application/json"}},
                .body = R"({"reference":")" + name + R"("})"};
        };
        orders.add(guests_[i], make, 1);
    }
    for (int i = 0; stage_.count_orders() < before + static_cast<long>(guests); ++i) {
        if (i > 200) throw std::runtime_error("the shop does not get the guests' orders");
        interrupt_point();
        pause(milliseconds{10});
    }
}

void walk::lose_a_replica() {
    out_.step("A replica is killed with SIGKILL while requests run");
    load orders(stage_.gateway_port());
    begin_slow_orders(orders);
    out_.say(std::to_string(guests) +
             " guests order; the shop has written the orders, but not answered");

    load visitors(stage_.gateway_port());
    for (int i = 0; i < 3; ++i)
        visitors.add(ada_, [](std::size_t) { return reading("/cart?delay=5"); });
    for (int i = 0; i < 2; ++i)
        visitors.add(ada_, [](std::size_t) { return reading("/catalogue?delay=5"); });
    for (std::size_t w = 0; w < writers; ++w)
        visitors.add(ada_, [w](std::size_t n) { return adding(100 * (w + 1) + n); }, writes_each);
    pause(milliseconds{300});
    stage_.replica(victim).kill_now();
    out_.say(stage_.replica_name(victim) + " killed with SIGKILL");
    pause(milliseconds{1000});
    stage_.start_replica(victim);
    out_.say(stage_.replica_name(victim) + " started again");
    pause(milliseconds{400});
    visitors.finish();
    orders.wait();
    interrupt_point();
    judge_load(visitors.seen());
    check_cart(visitors.seen());
    judge_slow_orders(orders.seen());
}

void walk::judge_load(const std::vector<observation>& seen) {
    std::size_t reads = 0;
    std::size_t reads_failed = 0;
    std::size_t writes = 0;
    std::size_t writes_made = 0;
    bool honest = true;
    std::set<std::string> replicas;
    for (const observation& o : seen) {
        const bool good = o.answer.complete() && o.answer.status / 100 == 2;
        if (is_read(o)) {
            ++reads;
            if (good)
                replicas.insert(o.answer.field_or_empty("X-Replica"));
            else
                ++reads_failed;
        } else {
            ++writes;
            if (good)
                ++writes_made;
            else
                honest = honest && is_honest_failure(o.answer);
        }
        if (!good) out_.request(o.request.method + ' ' + o.request.target, o.answer);
    }
    out_.check(reads > 0 && reads_failed == 0, std::to_string(reads) + " reads by " +
                                                   std::to_string(replicas.size()) +
                                                   " replicas, none failed");
    out_.check(writes > 0 && honest, std::to_string(writes) +
                                         " writes into the cart: " + std::to_string(writes_made) +
                                         " done, " + std::to_string(writes - writes_made) +
                                         " answered with 502, 503 or 504");
}

void walk::check_cart(const std::vector<observation>& seen) {
    const http_answer cart = get("/cart");
    bool whole = cart.status == 200;
    for (const observation& o : seen) {
        if (is_read(o)) continue;
        const long found = quantity_of(cart.body, sku_of(o));
        whole = whole && found <= 1 && (found == 1 || o.answer.status != 201);
    }
    out_.check(whole, "the cart is whole: each article that was acknowledged is in it, once");
}

void walk::judge_slow_orders(const std::vector<observation>& seen) {
    std::size_t unknown = 0;
    bool honest = true;
    for (const observation& o : seen) {
        out_.request("POST /orders key " + key_of(o), o.answer);
        if (o.answer.complete() && o.answer.status == 201) continue;
        ++unknown;
        honest = honest && is_honest_failure(o.answer) &&
                 o.answer.field_or_empty("Lethe-Outcome") == "unknown";
    }
    out_.check(unknown > 0, "the dead replica had orders under way: " + std::to_string(unknown));
    out_.check(honest, "each of them is answered with \"outcome unknown\", not with a guess");
    bool never_again = true;
    for (std::size_t i = 0; i < guests; ++i) {
        const std::string name = "slow-" + std::to_string(i + 1);
        test::field_list fields = test::bearer(guests_[i].token);
        fields.emplace_back("Idempotency-Key", name);
        test::client hand(stage_.gateway_port());
        hand.cookies() = guests_[i].cookies;
        const http_answer again =
            hand.post("/orders?delay=3000", R"({"reference":")" + name + R"("})", fields);
        out_.request("POST /orders key " + name + " again", again);
        const bool is_replay = again.status == 201 && again.field("Idempotent-Replayed");
        const bool is_refusal =
            again.status == 409 && again.body.find("outcome-unknown") != std::string::npos;
        never_again = never_again && (is_replay || is_refusal);
    }
    out_.check(never_again,
               "asked again: a replay, or still \"outcome unknown\"; nothing runs twice");
    bool once = true;
    for (std::size_t i = 0; i < guests; ++i) {
        const std::string list = stage_.orders_of("guest-" + std::to_string(i + 1));
        const std::string mark = R"("reference":"slow-)" + std::to_string(i + 1) + '"';
        const std::size_t first = list.find(mark);
        once =
            once && first != std::string::npos && list.find(mark, first + 1) == std::string::npos;
    }
    out_.check(once, "the shop has each guest's order exactly once");
}

void walk::drain() {
    out_.step("SIGTERM under load");
    load visitors(stage_.gateway_port());
    for (int i = 0; i < 8; ++i)
        visitors.add(ada_, [](std::size_t) { return reading("/cart?delay=200"); });
    for (std::size_t w = 0; w < writers; ++w)
        visitors.add(
            ada_, [w](std::size_t n) { return adding(1000 * (w + 1) + n); }, writes_each / 2);
    pause(milliseconds{300});
    stage_.gateway(0).send(SIGTERM);
    out_.say("lethe got SIGTERM while requests ran");
    visitors.finish();
    interrupt_point();
    const std::optional<int> exit = stage_.gateway(0).wait(std::chrono::seconds{15});
    const std::vector<observation> seen = visitors.seen();
    const auto answered = std::ranges::count_if(seen, [](const observation& o) {
        return o.answer.complete() && o.answer.status / 100 == 2;
    });
    for (const observation& o : seen)
        if (!o.answer.complete() || o.answer.status / 100 != 2)
            out_.request(o.request.method + ' ' + o.request.target, o.answer);
    out_.check(!seen.empty() && answered == static_cast<long>(seen.size()),
               std::to_string(answered) + " of " + std::to_string(seen.size()) +
                   " requests under way were answered");
    out_.check(exit == 0, exit ? "lethe ended with exit status " + std::to_string(*exit)
                               : "lethe did not end within 15 s");
    stage_.start_gateway(0);
    out_.say("lethe started");
    check_cart(seen);
}

}  // namespace lethe::tour
