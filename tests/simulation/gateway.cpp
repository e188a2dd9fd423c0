#include "simulation/gateway.hpp"

#include "store/moving/store.hpp"

#include <algorithm>

namespace lethe::simulation {
namespace {

store::engine_promises promises_of(const scenario& about) {
    return {.durable = !about.lossy,
            .linearizable = true,
            .transactions = about.transactions,
            .may_evict = false,
            .shared = true};
}

std::vector<std::unique_ptr<store::store>> connect(host& on, const gateway_world& in) {
    const auto link = [&](store_server& to) -> std::unique_ptr<store::store> {
        return std::make_unique<store_link>(on, to, in.weather,
                                            link_options{in.about.mishaps, promises_of(in.about)});
    };
    std::vector<std::unique_ptr<store::store>> out;
    for (std::size_t i = 0; i < in.stores.size(); ++i) {
        std::unique_ptr<store::store> one = link(*in.stores[i]);
        if (!in.previous.empty())
            one = std::make_unique<store::moving::moving_store>(
                std::move(one), plant_in_previous(in.bug, link(*in.previous[i])),
                std::make_shared<lethe::metrics::registry>(), store::open_options{}, on.wall(),
                make_seeded_random(mix(mix(in.seed, 0x6d6f7665 + on.index()), on.life())));
        out.push_back(plant_in_store(in.bug, std::move(one), on.wall()));
    }
    return out;
}

std::string_view method_of(deed what) {
    return what == deed::read ? "GET" : "POST";
}

std::string_view path_of(deed what) {
    static constexpr std::string_view paths[] = {"/cart",   "/orders", "/cart/items", "/wizard",
                                                 "/wizard", "/login",  "/rotate",     "/logout"};
    return paths[static_cast<std::size_t>(what)];
}

}  // namespace

// An exchange is in the list for as long as its coroutine lives.
class gateway::opened {
 public:
    opened(gateway& in, std::uint64_t number, http::exchange& x) : in_(in), number_(number) {
        in_.open_[number] = &x;
    }
    ~opened() { in_.open_.erase(number_); }
    opened(const opened&) = delete;
    opened& operator=(const opened&) = delete;

 private:
    gateway& in_;
    std::uint64_t number_;
};

gateway::gateway(host& on, gateway_world& in)
    : host_(on),
      world_(in),
      random_(make_seeded_random(mix(mix(in.seed, 0x67617465 + on.index()), on.life()))),
      stores_(connect(on, in)),
      keys_(*stores_.front(), on.wall(), *random_),
      sessions_(*stores_.back(), on.wall(), *random_, in.about.session_settings),
      service_(on, in.service) {
    std::vector<std::unique_ptr<http::filter>> filters;
    if (auto bug = plant_before_sessions(in.bug)) filters.push_back(std::move(bug));
    filters.push_back(
        std::make_unique<session::filter>(sessions_, in.about.session_rules, session_counts_));
    if (auto bug = plant_before_keys(in.bug)) filters.push_back(std::move(bug));
    filters.push_back(std::make_unique<idempotency::filter>(keys_, in.about.key_rules, key_counts_,
                                                            spawner_, large_));
    filters.push_back(std::make_unique<session::origin_stamp>());
    if (auto bug = plant_behind_keys(in.bug)) filters.push_back(std::move(bug));
    way_ = std::make_unique<http::chain>(std::move(filters), service_);
}

void gateway::accept(delivery& what) {
    what.reached = true;
    what.began = host_.time().now();
    what.pauses = host_.pauses();
    process_.start(serve(what));
}

void gateway::stops() {
    for (const auto& [number, x] : open_)
        if (x->waiting_on != nullptr) x->waiting_on->cancel();
}

void gateway::client_left(const delivery& what) {
    const auto at = open_.find(what.number);
    if (at == open_.end()) return;
    http::exchange& x = *at->second;
    x.client_gone = true;
    if (!x.survives_client && x.waiting_on != nullptr) x.waiting_on->cancel();
}

void gateway::fill(http::exchange& x, const delivery& what) {
    const request_facts& request = *what.request;
    x.request.method_text = method_of(request.what);
    x.request.method = http::parse_method(x.request.method_text);
    x.request.path = path_of(request.what);
    x.request.authority = "shop.example";
    x.request.header.add("Content-Type", "text/plain");
    x.request.header.add("X-Delivery", std::to_string(what.number));
    if (!request.key.empty()) x.request.header.add("Idempotency-Key", "\"" + request.key + "\"");
    if (!what.cookie.empty())
        x.request.header.add("Cookie",
                             world_.about.session_settings.cookie_name + "=" + what.cookie);
    if (request.what != deed::read)
        x.request_body = http::make_owned_body("request=" + std::to_string(request.number));
    if (!request.principal.empty())
        x.principal = http::principal{"https://id.example", request.principal, "{}"};
    x.started = host_.wall().steady_now();
    x.deadline = x.started + world_.about.route_timeout;
}

boost::asio::awaitable<void> gateway::serve(delivery& what) {
    arena memory;
    http::exchange x(memory, host_.wall());
    fill(x, what);
    const opened listed(*this, what.number, x);
    const result<> done = co_await way_->handle(x);
    if (done.has_error()) {
        world_.replies(what, reply::none());
        co_return;
    }
    reply out = make_reply(x);
    world_.answers(what, x);
    if (x.client_gone) co_return;
    const result<std::string> body = co_await http::read_whole(x.response_body.get(), 1 << 20);
    out.reset = body.has_error();
    world_.replies(what, std::move(out));
}

reply gateway::make_reply(const http::exchange& x) const {
    reply out;
    out.status = x.response.status;
    out.problem = x.problem;
    out.replayed = x.replayed;
    const std::string prefix = world_.about.session_settings.cookie_name + "=";
    for (const http::field_line& line : x.response.header) {
        if (line.id != http::field_id::set_cookie || !line.value.starts_with(prefix)) continue;
        const std::string_view value = line.value.substr(prefix.size());
        out.cookie = std::string(value.substr(0, value.find(';')));
    }
    if (const auto number = x.response.header.first("X-Execution"))
        out.execution = std::stoull(std::string(*number));
    return out;
}

}  // namespace lethe::simulation
