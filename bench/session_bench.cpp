// What a session in sealed cookies costs: without HTTP, and as the filter adds it to an exchange.
#include "base/bytes.hpp"
#include "http/filter.hpp"
#include "session/sealed_filter.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <benchmark/benchmark.h>

#include <memory>
#include <string>

namespace {

using namespace lethe;
using namespace lethe::session;

constexpr const char* name = "__Host-lethe";

struct parts {
    std::unique_ptr<random_source> random = make_secure_random();
    std::shared_ptr<const keyring> ring =
        load_keyring({{.id = "k1", .file = {}, .text = secret(to_hex(random->bytes(key_bytes)))}},
                     {})
            .ring;
    sealed_session content;

    explicit parts(std::size_t bytes) {
        content.seen = std::chrono::time_point_cast<std::chrono::milliseconds>(
            std::chrono::system_clock::now());
        content.data.identity = random->bytes(id_bytes);
        content.data.version = 7;
        content.data.created = content.seen;
        content.data.absolute_expiry = content.seen + std::chrono::hours{24};
        content.data.idle_ttl = std::chrono::hours{1};
        content.data.subject = "u42";
        content.data.slots = {{"user", 7, '"' + std::string(bytes, 'x') + '"'}};
    }
    [[nodiscard]] std::vector<std::string> seal() const {
        return seal_cookies(content, name, *ring, *random).value();
    }
};

void open_sealed(benchmark::State& state) {
    const parts with(static_cast<std::size_t>(state.range(0)));
    const std::vector<std::string> cookies = with.seal();
    session::detail::found_cookies sent;
    for (std::size_t i = 0; i < cookies.size(); ++i) sent[i] = cookies[i];
    for (auto _ : state) benchmark::DoNotOptimize(open_cookies(sent, name, *with.ring));
}
BENCHMARK(open_sealed)->Arg(100)->Arg(1000)->Arg(4000);

void seal_sealed(benchmark::State& state) {
    const parts with(static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) benchmark::DoNotOptimize(with.seal());
}
BENCHMARK(seal_sealed)->Arg(100)->Arg(1000)->Arg(4000);

void session_pseudonym(benchmark::State& state) {
    const parts with(1);
    for (auto _ : state) benchmark::DoNotOptimize(pseudonym(with.content.data.identity, "shop"));
}
BENCHMARK(session_pseudonym);

class answer final : public http::handler {
 public:
    task<> handle(http::exchange& x) override {
        x.response.status = 200;
        co_return result<>{};
    }
};

task<> drive(benchmark::State& state, http::handler& way, lethe::clock& time, std::string cookie) {
    arena memory;
    for (auto _ : state) {
        memory.reset();
        http::exchange x(memory, time);
        x.request.header.append_borrowed("Host", "shop.example.com");
        x.request.header.append_borrowed("Accept", "*/*");
        x.request.header.append_borrowed("Cookie", cookie);
        const result<> done = co_await way.handle(x);
        benchmark::DoNotOptimize(done.has_value());
    }
    co_return result<>{};
}

// An exchange with a cookie of ours: through the filter, or (0) straight to the service. The worker
// knows it from the second one on, but for the last, which is too large to be kept.
void filter_reads(benchmark::State& state) {
    const parts with(static_cast<std::size_t>(state.range(1)));
    settings options;
    options.mode = session_mode::sealed;
    options.keys = {{.id = "k1", .file = {}, .text = {}}};
    lethe::metrics::registry registry;
    lethe::session::metrics counts(registry);
    manual_clock time(with.content.seen);
    answer service;
    opened_cookies known(opened_cookies_max);
    std::vector<std::unique_ptr<http::filter>> filters;
    if (state.range(0) != 0)
        filters.push_back(std::make_unique<sealed_filter>(
            sealed_parts{
                .random = *with.random, .options = options, .keys = with.ring, .known = known},
            route_options{.read = {"user"}, .write = {}, .service = "shop"}, counts));
    http::chain way(std::move(filters), service);
    boost::asio::io_context loop;
    boost::asio::co_spawn(loop, drive(state, way, time, std::string(name) + "=" + with.seal()[0]),
                          boost::asio::detached);
    loop.run();
}
BENCHMARK(filter_reads)->Args({0, 100})->Args({1, 100})->Args({1, 1000})->Args({1, 2500});

}  // namespace
