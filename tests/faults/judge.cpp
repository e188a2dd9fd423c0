#include "faults/judge.hpp"

#include <chrono>
#include <thread>

namespace lethe::faults {
namespace {

constexpr std::size_t details_max = 10;
constexpr int read_tries_max = 20;

std::size_t count_text(const std::string& in, const std::string& what) {
    std::size_t count = 0;
    for (std::size_t at = in.find(what); at != std::string::npos; at = in.find(what, at + 1))
        ++count;
    return count;
}

void note(findings& out, std::string what) {
    if (out.details.size() < details_max) out.details.push_back(std::move(what));
}

// How many pieces of the article the list {"items":[{"sku":…,"qty":…}]} has.
long quantity_of(const std::string& list, const std::string& sku) {
    const std::string start = R"({"sku":")" + sku + R"(","qty":)";
    const std::size_t at = list.find(start);
    return at == std::string::npos ? 0 : std::stol(list.substr(at + start.size()));
}

// "" when it cannot be read.
std::string read_cart(test::shop_stage& stage, const record& whose) {
    for (int tries = 0; tries < read_tries_max; ++tries) {
        test::client asking(stage.gateway_port(0));
        asking.cookies() = whose.cookies;
        const test::http_answer answer = asking.get("/cart", test::bearer(whose.token));
        if (answer.complete() && answer.status == 200) return answer.body;
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
    }
    return {};
}

void judge_cart(test::shop_stage& stage, const record& whose, findings& out) {
    const std::string cart = read_cart(stage, whose);
    if (cart.empty()) {
        ++out.carts_unread;
        note(out, whose.user + ": the cart cannot be read");
        return;
    }
    for (const asked_item& item : whose.items) {
        const long found = quantity_of(cart, item.sku);
        if (item.told == verdict::acknowledged) {
            ++out.items_acknowledged;
            if (found == 0) {
                ++out.items_lost;
                note(out,
                     whose.user + ": " + item.sku + " was acknowledged and is not in the cart");
            }
        } else {
            ++out.items_open;
        }
        if (item.keyed && found > 1) {
            ++out.items_doubled;
            note(out, whose.user + ": " + item.sku + " is in the cart " + std::to_string(found) +
                          " times");
        }
    }
}

void judge_orders(test::shop_stage& stage, const record& whose, findings& out) {
    const std::string list = stage.orders_of(whose.user);
    std::size_t expected = 0;
    bool all_known = true;
    for (const asked_order& one : whose.orders) {
        const std::size_t found = count_text(list, R"("reference":")" + one.reference + '"');
        expected += found;
        if (found > 1) {
            ++out.orders_doubled;
            note(out, one.reference + " exists " + std::to_string(found) + " times");
        }
        all_known = all_known && one.told == verdict::acknowledged;
        if (one.told == verdict::acknowledged) {
            ++out.orders_acknowledged;
            if (found == 0) {
                ++out.orders_lost;
                note(out, one.reference + " was acknowledged and does not exist");
            }
        } else if (one.told == verdict::unknown) {
            ++out.orders_unknown;
            out.orders_unknown_made += found;
        } else {
            ++out.orders_given_up;
        }
    }
    out.orders_of_nobody += count_text(list, "\"reference\":") - expected;
    for (const asked_item& item : whose.items)
        all_known = all_known && item.told == verdict::acknowledged;
    if (!all_known || whose.orders.empty()) return;
    // Each print was put in once and ordered once, so none may be left.
    const std::string cart = read_cart(stage, whose);
    if (cart.find("print-") == std::string::npos && !cart.empty()) return;
    ++out.carts_not_emptied;
    note(out, whose.user + ": after its orders the cart holds " + cart);
}

}  // namespace

bool findings::is_good() const noexcept {
    return items_acknowledged > 0 && orders_acknowledged > 0 && items_lost == 0 &&
           items_doubled == 0 && orders_lost == 0 && orders_doubled == 0 && carts_unread == 0 &&
           carts_not_emptied == 0 && orders_of_nobody == 0 && orders_unknown_made <= orders_unknown;
}

findings judge(test::shop_stage& stage, const std::vector<record>& collectors,
               const std::vector<record>& buyers) {
    findings out;
    for (const record& one : collectors) judge_cart(stage, one, out);
    for (const record& one : buyers) judge_orders(stage, one, out);
    return out;
}

}  // namespace lethe::faults
