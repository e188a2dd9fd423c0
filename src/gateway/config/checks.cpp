#include "gateway/config/checks.hpp"

#include "identity/key_file.hpp"
#include "session/handle.hpp"
#include "upstream/connect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace lethe::gateway::config {
namespace {

template <class T>
void refuse_equal_names(const std::vector<T>& all, std::string_view list, reader& with) {
    std::map<std::string_view, std::size_t> first;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].name.empty()) continue;
        const auto [found, fresh] = first.emplace(all[i].name, i);
        if (!fresh)
            with.fail_later(
                path_of(list, i, "name"),
                fmt::format("{}[{}] is called {} already", list, found->second, quote(all[i].name)),
                "expected a name of its own");
    }
}

bool is_any(const std::string& host) {
    return host == "0.0.0.0" || host == "::";
}

// Whether one cannot listen on both.
bool collide(const net::address& a, const net::address& b) {
    const bool tcp = a.kind == net::address_kind::tcp && b.kind == net::address_kind::tcp;
    if (!tcp) return a == b;
    if (a.port != b.port || a.port == 0) return false;
    return parse_ip_address(a.host) == parse_ip_address(b.host) || is_any(a.host) || is_any(b.host);
}

void check_session_listener(const configuration& of, reader& with) {
    if (!of.session_api || of.session_api->address.host.empty()) return;
    const net::address& at = of.session_api->address;
    for (std::size_t k = 0; k < of.listen.size(); ++k)
        if (!of.listen[k].address.host.empty() && collide(at, of.listen[k].address))
            with.fail_later("session_api.address",
                            fmt::format("listen[{}] takes that address already", k),
                            "expected another port: clients must not reach sessions by URL");
    if (of.admin && !of.admin->address.host.empty() && collide(at, of.admin->address))
        with.fail_later("session_api.address", "admin takes that address already",
                        "expected another port");
    if (of.session_api->url.empty() && (is_any(at.host) || at.port == 0))
        with.fail_later("session_api.address", "is nothing that a service can connect to",
                        "expected an address of this machine, or session_api.url");
    if (of.session_api->keys.size() > session::handle_keys_max)
        with.fail_later("session_api.keys", "has too many keys",
                        fmt::format("expected at most {}", session::handle_keys_max));
}

void check_listener(const configuration& of, std::size_t index, reader& with) {
    const bool has_path = of.listen[index].address.kind == net::address_kind::path;
    if (!has_path && with.is_given(path_of("listen", index, "mode")))
        with.fail_later(path_of("listen", index, "mode"), "there is no Unix socket that it is for",
                        "expected an address such as unix:/run/lethe/lethe.sock");
    const std::string path = path_of("listen", index, "tls");
    const std::optional<net::tls_server_options>& tls = of.listen[index].tls;
    if (of.listen[index].proxy_protocol && of.trusted_proxies.empty())
        with.fail_later(path_of("listen", index, "proxy_protocol"),
                        "there is no proxy whose word is believed",
                        "expected its address in trusted_proxies");
    if (!tls || !with.look_at_files() || with.has_mistake_at(path)) return;
    // That the files hold what they are to hold, as the start would find out.
    std::string problem;
    if (net::make_tls_server(*tls, problem).has_error()) with.fail_later(path, problem, "");
}

void check_listeners(const configuration& of, reader& with) {
    for (std::size_t i = 0; i < of.listen.size(); ++i) check_listener(of, i, with);
    for (std::size_t i = 0; i < of.listen.size(); ++i)
        for (std::size_t k = 0; k < i; ++k)
            if (!of.listen[i].address.host.empty() &&
                collide(of.listen[i].address, of.listen[k].address))
                with.fail_later(path_of("listen", i, "address"),
                                fmt::format("listen[{}] takes that address already", k),
                                "expected another port");
    check_session_listener(of, with);
    if (!of.admin || of.admin->address.host.empty()) return;
    for (std::size_t k = 0; k < of.listen.size(); ++k)
        if (!of.listen[k].address.host.empty() && collide(of.admin->address, of.listen[k].address))
            with.fail_later("admin.address",
                            fmt::format("listen[{}] takes that address already", k),
                            "expected another port: clients must not reach the admin pages");
}

// That the file holds keys of which at least one fits, as the start would find out.
void check_keys(const identity::issuer_options& one, std::size_t index, reader& with) {
    const std::string path = path_of("issuers", index, "keys");
    if (!with.look_at_files() || one.keys_file.empty() || with.has_mistake_at(path)) return;
    if (with.has_mistake_at(path_of("issuers", index, "algorithms"))) return;
    std::string problem = identity::read_issuer_keys(one).problem;
    std::replace(problem.begin(), problem.end(), '\n', ' ');  // a mistake is one line
    if (!problem.empty()) with.fail_later(path + ".file", problem, "");
}

void check_issuer(const configuration& of, std::size_t index, reader& with) {
    const identity::issuer_options& one = of.issuers[index];
    for (const identity::mistake& found : identity::check(one))
        with.fail_later(path_of("issuers", index, found.option), found.text, "");
    check_keys(one, index, with);
    for (std::size_t k = 0; k < index; ++k)
        if (!one.issuer.empty() && of.issuers[k].issuer == one.issuer)
            with.fail_later(path_of("issuers", index, "issuer"),
                            fmt::format("issuers[{}] has that issuer already", k),
                            "expected each issuer once, with all its keys in one file");
}

void check_upstream_tls(const upstream::options& one, const std::string& path, reader& with) {
    if (with.has_mistake_at(path)) return;
    if (one.tls && std::ranges::none_of(one.replicas, &upstream::replica::secure))
        return with.fail_later(path, "there is no replica that it is for",
                               "expected a replica whose URL begins with https://");
    if (one.tls && one.tls->certificate_file.empty() != one.tls->key_file.empty())
        return with.fail_later(path, "has only one of certificate_file and key_file",
                               "expected both, or none");
    std::string problem;
    if (with.look_at_files() && upstream::make_tls(one, problem).has_error())
        with.fail_later(path, problem, "");
}

void check_affinity(const configuration& of, std::size_t index, reader& with) {
    const upstream::options& one = of.upstreams[index];
    if (!one.affinity) return;
    if (one.hedging)
        with.fail_later(path_of("upstreams", index, "hedge"),
                        "asks other replicas than that of the cookie",
                        "expected hedge or affinity, not both");
    const std::string path = path_of("upstreams", index, "affinity.cookie");
    if (one.affinity->cookie == of.sessions.cookie_name)
        with.fail_later(path, "is the sessions' cookie", "expected another name");
    for (std::size_t k = 0; k < index; ++k)
        if (of.upstreams[k].affinity && of.upstreams[k].affinity->cookie == one.affinity->cookie)
            with.fail_later(path, fmt::format("upstreams[{}] has that cookie already", k),
                            "expected a name of its own");
}

void check_upstream(const configuration& of, std::size_t index, reader& with) {
    const std::vector<upstream::replica>& all = of.upstreams[index].replicas;
    for (std::size_t i = 0; i < all.size(); ++i)
        for (std::size_t k = 0; k < i; ++k)
            if (all[i].host == all[k].host && all[i].port == all[k].port &&
                all[i].kind == all[k].kind && !all[i].host.empty())
                with.fail_later(path_of(path_of("upstreams", index, "replicas"), i),
                                fmt::format("replicas[{}] is {} already", k, to_text(all[i])),
                                "expected each replica once");
    const upstream::options& one = of.upstreams[index];
    check_upstream_tls(one, path_of("upstreams", index, "tls"), with);
    if (one.concurrency && one.concurrency->adaptive && one.concurrency->min > one.concurrency->max)
        with.fail_later(path_of("upstreams", index, "concurrency"), "has a min above its max",
                        "expected min to be at most max");
    check_affinity(of, index, with);
    if (one.resolver && std::ranges::all_of(all, [](const upstream::replica& of_it) {
            return of_it.kind == upstream::replica_kind::one;
        }))
        with.fail_later(path_of("upstreams", index, "resolver"), "there is no name that it is for",
                        "expected a replica with dns or srv");
    const bool hashes = one.balance == upstream::balance_rule::hash;
    if (hashes && !one.hash_by)
        with.fail_later(path_of("upstreams", index, "balance"), "goes by nothing",
                        "expected hash_by beside it, such as hash_by: session");
    if (!hashes && one.hash_by)
        with.fail_later(path_of("upstreams", index, "hash_by"),
                        "there is no balance: hash that goes by it",
                        "expected balance: hash beside it");
}

void check_sessions(const configuration& of, reader& with) {
    if (const auto found = session::find_mistake(of.sessions))
        with.fail_later("sessions", *found, "");
    const bool used = std::ranges::any_of(
        of.routes, [](const route_options& one) { return one.session.has_value(); });
    // Sessions in cookies always travel in a field.
    const bool stored = of.sessions.mode == session::session_mode::stored;
    if (used && stored && !of.session_api &&
        of.sessions.session_bytes_max > session::field_slots_bytes_max)
        with.fail_later("sessions.session_bytes_max",
                        "lets sessions grow beyond what travels in a field (4KiB)",
                        "expected session_api: {}, by which services read larger ones, or at most "
                        "4KiB");
    if (!with.look_at_files() || with.has_mistake_at("sessions.keys")) return;
    const session::loaded_keyring loaded =
        session::load_keyring(of.sessions.keys, of.sessions.retired_keys);
    if (!loaded.problem.empty())
        with.fail_later(path_of("sessions.keys", loaded.index), loaded.problem, "");
}

}  // namespace

std::string path_of(std::string_view list, std::size_t index, std::string_view option) {
    return option.empty() ? fmt::format("{}[{}]", list, index)
                          : fmt::format("{}[{}].{}", list, index, option);
}

void check_whole(const configuration& of, reader& with) {
    check_listeners(of, with);
    if (of.limits.target_bytes > of.limits.head_bytes)
        with.fail_later("limits.target_bytes", "is above head_bytes, of which the target is a part",
                        "expected at most " + to_size_text(of.limits.head_bytes));
    check_sessions(of, with);
    refuse_equal_names(of.issuers, "issuers", with);
    for (std::size_t i = 0; i < of.issuers.size(); ++i) check_issuer(of, i, with);
    refuse_equal_names(of.upstreams, "upstreams", with);
    for (std::size_t i = 0; i < of.upstreams.size(); ++i) check_upstream(of, i, with);
    for (std::size_t i = 0; i < of.routes.size(); ++i) check_route(of, i, with);
    check_routes_together(of, with);
}

}  // namespace lethe::gateway::config
