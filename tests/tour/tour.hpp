// The tour: what a shop without any state of its own gets from lethe, shown step by step.
#pragma once

#include "support/shop_stage.hpp"
#include "tour/load.hpp"
#include "tour/report.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace lethe::tour {

// One walk over an open stage of three replicas and one lethe. Each step leaves all processes
// running for the next. Throws std::runtime_error when it cannot go on.
class walk {
 public:
    walk(test::shop_stage& stage, report& out);

    void all();

    // The customer, for whoever goes on by hand.
    [[nodiscard]] const std::string& token() const noexcept { return ada_.token; }
    [[nodiscard]] std::string cookie() const;

 private:
    void show_token();
    void fill_cart();
    void lose_a_replica();
    void order_once();
    void lose_the_gateway();
    void drain();

    // Slow orders of several guests, each written by the shop and not yet answered.
    void begin_slow_orders(load& orders);
    void judge_slow_orders(const std::vector<observation>& seen);
    void judge_load(const std::vector<observation>& seen);
    // Acknowledged articles are in the cart once, others at most once.
    void check_cart(const std::vector<observation>& seen);
    void order_eight_at_once(const std::string& key, bool is_known);

    // Sends as ada, prints, answers.
    test::http_answer get(const std::string& target);
    test::http_answer post(const std::string& target, const std::string& body,
                           const std::string& key = {});
    // Throws when a request that must succeed for the next ones to make sense does not.
    test::http_answer put_into_cart(const std::string& sku, int quantity);
    void interrupt_point() const;

    test::shop_stage& stage_;
    report& out_;
    visitor ada_;
    test::client browser_;
    std::vector<visitor> guests_;
    std::string order_body_;  // the answer to the order with the key 12345-abcde
};

}  // namespace lethe::tour
