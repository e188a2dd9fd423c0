// The shop's pages: catalogue, cart, orders. No state but the order database: the cart is in the
// session that lethe keeps, so any replica answers any request.
#pragma once

#include "orders.hpp"

#include <chrono>
#include <lethe/lethe.hpp>

namespace shop {

// What the pages need; outlives the service.
struct premises {
    order_book& orders;
    // How long an answer waits behind the work that led to it: tests kill replicas in between.
    std::chrono::milliseconds slowness{0};
};

void add_pages(lethe::service& to, premises& with);

}  // namespace shop
