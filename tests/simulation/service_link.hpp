// The inner end of a gateway's way: the simulated service, behind messages that may be lost.
#pragma once

#include "http/filter.hpp"
#include "simulation/host.hpp"
#include "simulation/key_ledger.hpp"
#include "simulation/shop.hpp"

#include <functional>
#include <memory>

namespace lethe::simulation {

// What the link needs to know of the rest.
struct service_world {
    shop& service;
    faults& weather;
    unsigned mishaps = 0;  // of a thousand requests
    key_ledger& keys;
    // Whose request it is; told that it leaves now.
    std::function<delivery&(http::exchange&)> leaves;
};

class service_link final : public http::handler {
 public:
    service_link(host& on, service_world& world) : host_(on), world_(world) {}
    [[nodiscard]] task<> handle(http::exchange& x) override;

 private:
    struct call;
    enum class ending : std::uint8_t;
    using call_ptr = std::shared_ptr<call>;

    call_ptr begin(http::exchange& x);
    // A message outlives the process that sent it: these know nothing of the link.
    static void depart(const call_ptr& what, dice& d);
    static void arrive(const call_ptr& what);
    static void end(const call_ptr& what, ending how);
    void settle(http::exchange& x, const call& what);
    void attach_body(http::exchange& x, const execution& from, dice& d);

    host& host_;
    service_world& world_;
    std::uint64_t sent_ = 0;
};

}  // namespace lethe::simulation
