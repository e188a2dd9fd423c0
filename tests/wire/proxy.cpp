#include "wire/proxy.hpp"

#include "support/on_worker.hpp"

#include <atomic>
#include <cstdlib>

namespace lethe::test {

struct proxy::impl final : http::handler, http::exchange_observer {
    explicit impl(proxy_options given) : options(std::move(given)) {}

    task<> handle(http::exchange& x) override {
        x.survives_client = options.survives_client;
        if (options.prepare) options.prepare(x);
        return pool->handle(x);
    }
    void finished(const http::exchange&, int, std::uint64_t, bool) override { ++count; }

    proxy_options options;
    net::worker worker{0};
    std::atomic<int> count{0};
    std::unique_ptr<upstream::pool> pool;
    std::unique_ptr<upstream::watch> watch;
    std::unique_ptr<http::server> server;
};

proxy::proxy(proxy_options options) : impl_(std::make_unique<impl>(std::move(options))) {
    abort_on_bug(true);
    upstream::options what;
    what.name = "origin";
    what.balance = upstream::balance_rule::round_robin;
    for (const std::uint16_t port : impl_->options.replicas)
        what.replicas.push_back({"127.0.0.1", port});
    if (impl_->options.adjust) impl_->options.adjust(what);
    impl_->pool = std::make_unique<upstream::pool>(impl_->worker, what, std::nullopt);
    impl_->server =
        std::make_unique<http::server>(impl_->worker, impl_->options.server, *impl_, impl_.get());
    impl_->watch = std::make_unique<upstream::watch>(
        impl_->worker, what, std::nullopt, std::make_shared<upstream::known_names>(),
        [this](const upstream::pool_change& change) { change(*impl_->pool); });
    const result<net::address> at = impl_->server->listen({"127.0.0.1", 0}, impl_->options.door);
    if (at.has_error()) std::abort();
    port_ = at->port;
    impl_->worker.start();
}

proxy::~proxy() {
    impl_->worker.stop();
    impl_->server.reset();
    impl_->watch.reset();
    impl_->pool.reset();
}

int proxy::finished_count() const noexcept {
    return impl_->count;
}

void proxy::drain() {
    do_on_worker(impl_->worker, [&] { impl_->server->drain(); });
}

void proxy::abort() {
    do_on_worker(impl_->worker, [&] { impl_->server->abort(); });
}

void proxy::use(const http::server_settings& settings) {
    do_on_worker(impl_->worker, [&] { impl_->server->replace_settings(settings); });
}

void proxy::destroy_server() {
    do_on_worker(impl_->worker, [&] { impl_->server.reset(); });
}

}  // namespace lethe::test
