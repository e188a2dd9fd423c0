#include "idempotency/test_world.hpp"

#include "base/bytes.hpp"

namespace lethe::idempotency::test {

std::string reply::first(std::string_view name) const {
    for (const auto& [one, value] : header)
        if (equal_ignoring_case(one, name)) return value;
    return {};
}

bool reply::has(std::string_view name) const {
    for (const auto& [one, value] : header)
        if (equal_ignoring_case(one, name)) return true;
    return false;
}

gateway::gateway(world& in, route_options options) : gateway(in, std::move(options), in.large) {}

gateway::gateway(world& in, route_options options, http::spool& large)
    : store(in.records, in.time),
      world_(in),
      random_(make_seeded_random(in.seed++)),
      rules(store, in.time, *random_),
      service_(in.service, in.time),
      loop_(std::make_unique<asio::io_context>(1)),
      spawner_(std::make_unique<loop_spawner>(*loop_)) {
    abort_on_bug(true);
    std::vector<std::unique_ptr<http::filter>> filters;
    filters.push_back(
        std::make_unique<filter>(rules, std::move(options), counts, *spawner_, large));
    chain_ = std::make_unique<http::chain>(std::move(filters), service_);
}

gateway::~gateway() {
    kill();
}

void gateway::kill() {
    spawner_->closed = true;
    loop_.reset();
}

bool gateway::step() {
    loop_->restart();
    return loop_->poll_one() > 0;
}

void gateway::run_now() {
    while (step()) {
    }
}

void gateway::run() {
    run_now();
    while (world_.time.wake_next()) run_now();
}

asio::awaitable<void> gateway::serve(request what, reply& into) {
    arena memory;
    http::exchange x(memory, world_.time);
    x.request.method_text = what.method;
    x.request.method = http::parse_method(what.method);
    x.request.path = what.path;
    x.request.query = what.query;
    x.request.has_query = !what.query.empty();
    for (const auto& [name, value] : what.header) x.request.header.add(name, value);
    if (!what.body.empty()) x.request_body = http::body_ptr(new piecewise_body({what.body}, false));
    x.principal = what.principal;
    x.session = what.session;
    x.replaces_outcome = what.replaces;

    const result<> done = co_await chain_->handle(x);
    into.operation_id = x.operation_id;
    into.survives_client = x.survives_client;
    into.outcome_epoch = x.outcome_epoch;
    into.nothing_came = x.replaces_outcome != 0;
    if (done.has_error()) {
        into.error = done.error();
        co_return;
    }
    if (!what.leave_body_unread) {
        const auto body = co_await http::read_whole(x.response_body.get(), 1 << 26);
        into.body_broke_off = body.has_error();
        if (body.has_value()) into.body = *body;
    }
    into.status = x.response.status;
    for (const auto& line : x.response.header) into.header.emplace_back(line.name, line.value);
    into.replayed = x.replayed;
    into.problem = x.problem;
}

void gateway::start(request what, reply& into) {
    asio::co_spawn(*loop_, serve(std::move(what), into), asio::detached);
}

reply gateway::send(request what) {
    return send_at_once({std::move(what)}).front();
}

std::vector<reply> gateway::send_at_once(const std::vector<request>& what) {
    std::vector<reply> replies(what.size());
    for (std::size_t i = 0; i < what.size(); ++i)
        asio::co_spawn(*loop_, serve(what[i], replies[i]), asio::detached);
    run();
    return replies;
}

void run_together(world& in, const std::vector<gateway*>& gateways, std::uint64_t seed) {
    const auto random = make_seeded_random(seed);
    do {
        std::vector<gateway*> ready = gateways;
        while (!ready.empty()) {
            const std::size_t at = random->below(ready.size());
            if (ready[at]->step())
                ready = gateways;
            else
                ready.erase(ready.begin() + static_cast<std::ptrdiff_t>(at));
        }
    } while (in.time.wake_next());
}

}  // namespace lethe::idempotency::test
