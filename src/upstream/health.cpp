#include "upstream/health.hpp"

#include "base/log.hpp"
#include "http/client.hpp"
#include "upstream/metrics.hpp"

#include <algorithm>
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
};

struct health_checker::watched {
    std::size_t entry;
    replica whom;
    // 1 while it is healthy; of a name's addresses: how many are.
    lethe::metrics::gauge& healthy_count;
    bool healthy = true;
    bool stopped = false;
};

health_checker::health_checker(net::worker& on, const options& of,
                               std::optional<net::tls_client> tls, reporter report)
    : shared_(new shared{on, of, std::move(tls), metrics(on.metrics(), of), std::move(report)}) {
    if (!of.health) return;
    for (lethe::metrics::gauge* one : shared_->counts.healthy) one->set(0);
    for (std::size_t i = 0; i < of.replicas.size(); ++i)
        if (of.replicas[i].kind == replica_kind::one) begin(i, of.replicas[i]);
}

health_checker::~health_checker() {
    for (const auto& one : watched_) one->stopped = true;
}

void health_checker::begin(std::size_t entry, const replica& one) {
    lethe::metrics::gauge& count = *shared_->counts.healthy[entry];
    count.add(1);
    watched_.push_back(std::make_shared<watched>(watched{entry, one, count}));
    shared_->worker.spawn(watch(shared_, watched_.back()));
}

void health_checker::use_addresses(std::size_t entry, const std::vector<replica>& now) {
    if (!shared_->what.health) return;
    const auto same_place = [](const replica& a, const replica& b) {
        return a.host == b.host && a.port == b.port;
    };
    std::erase_if(watched_, [&](const std::shared_ptr<watched>& one) {
        if (one->entry != entry) return false;
        for (const replica& stays : now)
            if (same_place(stays, one->whom)) return false;
        one->stopped = true;
        if (one->healthy) one->healthy_count.add(-1);
        return true;
    });
    for (const replica& one : now) {
        const bool known = std::ranges::any_of(watched_, [&](const auto& old) {
            return old->entry == entry && same_place(old->whom, one);
        });
        if (!known) begin(entry, one);
    }
}

task<> health_checker::ask(shared& with, const replica& to) {
    const health_options& rule = *with.what.health;
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

task<> health_checker::watch(std::shared_ptr<shared> with, std::shared_ptr<watched> whom) {
    const health_options& rule = *with->what.health;
    clock& time = with->worker.time();
    std::uint32_t in_a_row = 0;  // results that speak against `healthy`
    while (!whom->stopped) {
        const result<> answered = co_await ask(*with, whom->whom);
        if (whom->stopped || with->worker.stopping()) break;
        in_a_row = answered.has_value() == whom->healthy ? 0 : in_a_row + 1;
        if (in_a_row >= (whom->healthy ? rule.unhealthy_after : rule.healthy_after)) {
            whom->healthy = !whom->healthy;
            in_a_row = 0;
            whom->healthy_count.add(whom->healthy ? 1 : -1);
            log::warn(
                whom->healthy ? "upstream.replica_healthy" : "upstream.replica_unhealthy",
                {{"upstream", with->what.name},
                 {"replica", to_text(whom->whom)},
                 {"error", answered.has_error() ? describe(answered.error()) : std::string()}});
            with->report(whom->entry, whom->whom, whom->healthy);
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
