// Compares what customers were told with what the shop and the sessions hold in the end.
#pragma once

#include "faults/customer.hpp"
#include "support/shop_stage.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace lethe::faults {

struct findings {
    std::size_t items_acknowledged = 0;
    std::size_t items_lost = 0;     // acknowledged, not in the cart
    std::size_t items_doubled = 0;  // keyed, twice in the cart
    std::size_t items_open = 0;     // unknown or given up
    std::size_t orders_acknowledged = 0;
    std::size_t orders_lost = 0;     // acknowledged, not in the shop
    std::size_t orders_doubled = 0;  // the same reference twice, whatever was told
    std::size_t orders_unknown = 0;  // reported as unknown
    std::size_t orders_unknown_made = 0;
    std::size_t orders_given_up = 0;
    std::size_t carts_unread = 0;       // no answer though all is healthy again
    std::size_t carts_not_emptied = 0;  // all orders acknowledged, and something is left
    std::size_t orders_of_nobody = 0;   // in the shop, asked for by no one
    std::vector<std::string> details;   // the first few of what is wrong

    [[nodiscard]] bool is_good() const noexcept;
};

// All processes are up again. `collectors` only filled carts, `buyers` ordered.
[[nodiscard]] findings judge(test::shop_stage& stage, const std::vector<record>& collectors,
                             const std::vector<record>& buyers);

}  // namespace lethe::faults
