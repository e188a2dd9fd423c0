#include "upstream/health.hpp"

#include "base/log.hpp"
#include "http/client.hpp"
#include "upstream/metrics.hpp"

#include <utility>

namespace lethe::upstream {
namespace {

enum class errc { not_well = 1 };

error_code make_error_code(errc e) {
    static constexpr error_row rows[] = {{int(errc::not_well),
                                          "the replica's health check did not answer 2xx",
                                          condition::unavailable}};
    static const table_category instance{"lethe.upstream", rows};
    return {static_cast<int>(e), instance};
}

}  // namespace

struct health_checker::shared {
    net::worker& worker;
    options what;
    std::optional<net::tls_client> tls;
    metrics counts;
    reporter report;
    bool stopped = false;
};

health_checker::health_checker(net::worker& on, const options& of,
                               std::optional<net::tls_client> tls, reporter report)
    : shared_(new shared{on, of, std::move(tls), metrics(on.metrics(), of), std::move(report)}) {
    if (!of.health) return;
    for (std::size_t i = 0; i < of.replicas.size(); ++i) on.spawn(watch(shared_, i));
}

health_checker::~health_checker() {
    shared_->stopped = true;
}

task<> health_checker::ask(shared& with, std::size_t replica) {
    const health_options& rule = *with.what.health;
    const struct replica& to = with.what.replicas[replica];
    const steady_time deadline = with.worker.time().steady_now() + rule.timeout;
    result<net::stream> stream = co_await connect(with.worker, to, with.tls, deadline);
    if (stream.has_error()) co_return stream.error();

    const http::head_limits limits;
    http::client_connection connection(with.worker, *std::move(stream), limits, {});
    const std::string request = "GET " + rule.path + " HTTP/1.1\r\nHost: " + to_authority(to) +
                                "\r\nUser-Agent: lethe-health\r\nConnection: close\r\n\r\n";
    const result<> sent = co_await connection.send(request, nullptr, deadline);
    if (sent.has_error()) co_return sent;
    arena memory;
    http::response_head answer(memory);
    const result<> read = co_await connection.read_head(http::method::get, answer, deadline);
    if (read.has_error()) co_return read;
    if (answer.status < 200 || answer.status > 299) co_return LETHE_ERR(errc::not_well);
    co_return result<>{};
}

task<> health_checker::watch(std::shared_ptr<shared> with, std::size_t replica) {
    const health_options& rule = *with->what.health;
    clock& time = with->worker.time();
    bool healthy = true;
    std::uint32_t in_a_row = 0;  // results that speak against `healthy`
    with->counts.healthy[replica]->set(1);
    while (!with->stopped) {
        const result<> answered = co_await ask(*with, replica);
        if (with->stopped || with->worker.stopping()) break;
        in_a_row = answered.has_value() == healthy ? 0 : in_a_row + 1;
        if (in_a_row >= (healthy ? rule.unhealthy_after : rule.healthy_after)) {
            healthy = !healthy;
            in_a_row = 0;
            with->counts.healthy[replica]->set(healthy ? 1 : 0);
            log::warn(
                healthy ? "upstream.replica_healthy" : "upstream.replica_unhealthy",
                {{"upstream", with->what.name},
                 {"replica", to_text(with->what.replicas[replica])},
                 {"error", answered.has_error() ? describe(answered.error()) : std::string()}});
            with->report(replica, healthy);
        }
        // Up to a tenth later, so that many gateways do not ask in step.
        const auto jitter = std::chrono::milliseconds(static_cast<std::int64_t>(
            with->worker.cheap_random() %
            (static_cast<std::uint64_t>(rule.interval.count()) / 10 + 1)));
        const result<> slept =
            co_await time.sleep_until(time.steady_now() + rule.interval + jitter);
        if (slept.has_error()) break;
    }
    co_return result<>{};
}

}  // namespace lethe::upstream
