#include "gateway/dispatcher.hpp"

#include "gateway/problems.hpp"
#include "identity/forward.hpp"

namespace lethe::gateway {

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
