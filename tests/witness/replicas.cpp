#include "witness/replicas.hpp"

#include "support/client.hpp"
#include "support/servers.hpp"

#include <stdexcept>
#include <utility>

namespace lethe::witness {

replicas::replicas(std::filesystem::path program, std::size_t count)
    : program_(std::move(program)), ports_(test::free_ports(count)), processes_(count) {}

void replicas::add_to(test::stage_options& stage, const std::string& lease) const {
    std::string list;
    for (const std::uint16_t port : ports_)
        list += (list.empty() ? "" : ", ") + ("\"http://127.0.0.1:" + std::to_string(port) + '"');
    stage.more_upstreams += "  - name: witness\n    replicas: [" + list +
                            "]\n    balance: round_robin\n"
                            "    health: {path: /healthz, interval: 200ms}\n"
                            "    ejection: {for: 500ms}\n";
    const auto route = [&stage](const std::string& match, const std::string& keys) {
        stage.more_routes += "  - match: {prefix: " + match +
                             "}\n    authenticate: {issuers: [shop-id], forward: {sub: X-User}}\n"
                             "    session: {read: [ledger, owner], write: [ledger, owner]}\n" +
                             (keys.empty() ? "" : "    idempotency: {" + keys + "}\n") +
                             "    upstream: witness\n";
    };
    const std::string common = "mode: required, wait: 1s, lease: " + lease;
    route("/w/hold", common);
    route("/w/login", common);
    route("/w/logout", common);
    route("/w/resend", common + ", backend: dedups, on_unknown: resend");
    route("/w/reconcile", common + ", on_unknown: reconcile, reconcile: \"/w/effects/{key}\"");
    route("/w/ledger", "");
    stage.more_routes +=
        "  - match: {prefix: /w/cart}\n"
        "    session: {read: [cart], write: [cart]}\n    upstream: witness\n";
}

void replicas::start_all(const std::filesystem::path& folder) {
    folder_ = folder;
    for (std::size_t i = 0; i < count(); ++i) start(i);
}

void replicas::start(std::size_t index) {
    processes_.at(index).emplace(
        test::process_options{.command = {program_.string(), std::to_string(ports_.at(index)),
                                          journal().string(), name(index)},
                              .output = folder_ / (name(index) + ".log")});
    const bool answers = test::wait_for(
        [&] {
            test::client asking(ports_.at(index), std::chrono::seconds{2});
            return asking.get("/healthz").status == 200;
        },
        std::chrono::seconds{20});
    if (!answers) throw std::runtime_error(name(index) + " does not answer");
}

}  // namespace lethe::witness
