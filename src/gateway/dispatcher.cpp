#include "gateway/dispatcher.hpp"

#include "gateway/problems.hpp"
#include "identity/forward.hpp"

namespace lethe::gateway {
namespace {

constexpr std::chrono::seconds retry_without_memory{5};

}  // namespace

dispatcher::dispatcher(net::worker& on)
    : worker_(on),
      refused_for_memory_(
          on.metrics().make_counter("lethe_gateway_memory_refused_total",
                                    "Requests refused because memory was near its limit.")) {}

task<> dispatcher::handle(http::exchange& x) {
    routes& now = *routes_;
    x.keeps = routes_;
    const shared_parts& shared = now.shared();
    clean_request(x, shared.trusted);
    identity::strip_identity_fields(x.request.header, shared.identity_fields);
    ensure_traceparent(x, worker_.cheap_random(), worker_.cheap_random(), worker_.cheap_random());

    const auto found = now.table().find(x.request);
    if (!found) {
        refuse_unmatched(x);
        co_return result<>{};
    }
    const config::route_options& route = shared.config.routes[*found];
    x.route = found;
    x.route_name = route.name;
    x.deadline = x.started + route.timeout;
    if (!has_memory_for(x, pressure_)) {
        refused_for_memory_.add();
        http::answer_problem(x, problems::memory_short, {.retry_after = retry_without_memory});
        co_return result<>{};
    }
    const result<> done = co_await now.way_of(*found).handle(x);
    clean_answer_for_client(x);
    co_return done;
}

void dispatcher::refuse_unmatched(http::exchange& x) const {
    const std::string allowed = routes_->table().allowed_methods(x.request);
    if (allowed.empty()) {
        http::answer_problem(x, problems::no_route);
        return;
    }
    http::answer_problem(x, problems::method_not_allowed);
    x.response.header.add("Allow", allowed);
}

}  // namespace lethe::gateway
