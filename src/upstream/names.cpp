#include "upstream/names.hpp"

#include "base/log.hpp"
#include "net/names.hpp"
#include "upstream/metrics.hpp"

#include <algorithm>
#include <utility>

namespace lethe::upstream {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds look_up_timeout{10};
// After a failure, where `refresh` is not shorter.
constexpr milliseconds asked_again_after{2'000};

// What a name is known by: all that makes its addresses what they are.
std::string to_key(const options& of, const replica& name) {
    return to_text(name) + (name.secure ? " tls " : " ") + std::to_string(name.weight) + " " +
           (of.resolver ? net::to_text(*of.resolver) : std::string());
}

// "shop.internal" of "_http._tcp.shop.internal": whom certificates are for (RFC 6125).
std::string service_domain(std::string_view name) {
    while (name.starts_with('_') && name.find('.') != name.npos)
        name.remove_prefix(name.find('.') + 1);
    return std::string(name);
}

address_list to_replicas(const replica& name, const std::vector<net::named_address>& found) {
    std::vector<replica> out;
    for (const net::named_address& one : found) {
        if (out.size() == addresses_max) break;
        replica& made = out.emplace_back(name);
        made.kind = replica_kind::one;
        made.host = one.host;
        made.name = name.host;
        if (name.kind != replica_kind::services) continue;
        made.name = service_domain(name.host);
        made.port = one.port;
        // Zero: nearly none beside others (RFC 2782).
        made.weight = std::max<std::uint32_t>(one.weight, 1);
        // The same place twice, with other weights.
        if (out.size() > 1 && out[out.size() - 2].host == made.host &&
            out[out.size() - 2].port == made.port)
            out.pop_back();
    }
    return std::make_shared<const std::vector<replica>>(std::move(out));
}

}  // namespace

struct name_follower::shared {
    net::worker& worker;
    options what;
    std::shared_ptr<known_names> known;
    metrics counts;
    reporter report;
    bool stopped = false;
};

name_follower::name_follower(net::worker& on, const options& of, std::shared_ptr<known_names> known,
                             reporter report)
    : shared_(new shared{on, of, std::move(known), metrics(on.metrics(), of), std::move(report)}) {
    for (std::size_t i = 0; i < of.replicas.size(); ++i)
        if (of.replicas[i].kind != replica_kind::one) on.spawn(follow(shared_, i));
}

name_follower::~name_follower() {
    shared_->stopped = true;
}

task<> name_follower::follow(std::shared_ptr<shared> with, std::size_t entry) {
    if (with->stopped) co_return result<>{};  // before it began
    const replica& name = with->what.replicas[entry];
    const std::string key = to_key(with->what, name);
    const net::name_question question{.name = name.host,
                                      .kind = name.kind == replica_kind::services
                                                  ? net::name_kind::service
                                                  : net::name_kind::host,
                                      .server = with->what.resolver};
    clock& time = with->worker.time();
    address_list last;
    const auto use = [&](address_list now) {
        last = std::move(now);
        with->counts.addresses[entry]->set(static_cast<std::int64_t>(last->size()));
        with->report(entry, last);
    };
    if (const auto found = with->known->find(key); found != with->known->end()) use(found->second);
    bool failing = false;
    while (!with->stopped) {
        const result<std::vector<net::named_address>> found =
            co_await net::look_up_all(with->worker, question, time.steady_now() + look_up_timeout);
        if (with->stopped || with->worker.stopping()) break;
        if (found.has_error()) {
            with->counts.look_up_failures.add();
            if (!std::exchange(failing, true))
                log::warn("upstream.look_up_failed", {{"upstream", with->what.name},
                                                      {"replica", to_text(name)},
                                                      {"addresses_kept", last ? last->size() : 0},
                                                      {"error", describe(found.error())}});
            if (!last) use(std::make_shared<const std::vector<replica>>());
        } else {
            address_list now = to_replicas(name, *found);
            const bool changed = !last || *now != *last;
            if (std::exchange(failing, false) || changed)
                log::info("upstream.looked_up", {{"upstream", with->what.name},
                                                 {"replica", to_text(name)},
                                                 {"found", found->size()},
                                                 {"used", now->size()}});
            (*with->known)[key] = now;
            if (changed) use(std::move(now));
        }
        const milliseconds pause =
            failing ? std::min<milliseconds>(name.refresh, asked_again_after) : name.refresh;
        // Up to a tenth later, so that many gateways do not ask in step.
        const auto jitter = milliseconds(static_cast<std::int64_t>(
            with->worker.cheap_random() % (static_cast<std::uint64_t>(pause.count()) / 10 + 1)));
        const result<> slept = co_await time.sleep_until(time.steady_now() + pause + jitter);
        if (slept.has_error()) break;
    }
    co_return result<>{};
}

}  // namespace lethe::upstream
