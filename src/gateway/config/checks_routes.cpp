#include "gateway/config/checks.hpp"
#include "http/message.hpp"
#include "store/open.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace lethe::gateway::config {
namespace {

template <class T>
std::vector<std::string> names_of(const std::vector<T>& all) {
    std::vector<std::string> out;
    for (const T& one : all) out.push_back(one.name);
    return out;
}

bool contains(const std::vector<std::string>& all, const std::string& one) {
    return std::find(all.begin(), all.end(), one) != all.end();
}

// As far as the URLs tell: where the server's settings decide, `lethe doctor` judges. What has a
// mistake already is not judged.
bool forgets_nothing(const store_options& of) {
    for (const std::string& url : {of.url, of.previous}) {
        if (url.empty()) continue;
        std::string why;
        const result<store::engine_promises> promised = store::promises_of_url(url, why);
        if (promised.has_error()) continue;
        if (promised->may_evict || !(promised->durable || promised->settings_decide)) return false;
    }
    return true;
}

// Where a store is needed that forgets nothing. `path` is the section's.
void want_store(const configuration& of, const std::string& path, const std::string& name,
                bool allow_lossy, std::string_view use, reader& with) {
    std::vector<std::string> known;
    for (const auto& [one, options] : of.stores) known.push_back(one);
    const auto found = of.stores.find(name);
    if (found == of.stores.end()) {
        want_known(path + ".store", "store", "store", name, known, with);
        return;
    }
    if (allow_lossy || forgets_nothing(found->second)) return;
    with.fail_later(
        path, fmt::format("the store {} may lose what was acknowledged, and {}", quote(name), use),
        "expected a durable store such as sqlite:lethe.db, or allow_lossy: true");
}

void check_authenticate(const configuration& of, const route_options& route,
                        const std::string& path, reader& with) {
    for (const identity::mistake& found : identity::check(*route.authenticate))
        with.fail_later(path + "." + found.option, found.text, "");
    const std::vector<std::string> known = names_of(of.issuers);
    for (std::size_t i = 0; i < route.authenticate->issuers.size(); ++i)
        want_known(path_of(path + ".issuers", i), "issuer", "issuers",
                   route.authenticate->issuers[i], known, with);
}

bool takes(const route_match& match, std::string_view method) {
    return match.methods.empty() ||
           std::find(match.methods.begin(), match.methods.end(), method) != match.methods.end();
}

void check_keyed_methods(const route_options& route, const std::string& path, reader& with) {
    const idempotency::route_options& rules = route.idempotency->rules;
    const bool any = takes(route.match, "POST") || takes(route.match, "PATCH") ||
                     (rules.put && takes(route.match, "PUT")) ||
                     (rules.delete_ && takes(route.match, "DELETE"));
    if (!any)
        with.fail_later(path, "no request of this route takes a key",
                        "expected POST or PATCH in match.methods, or PUT or DELETE in both "
                        "match.methods and idempotency.methods");
}

// Whose keys are they? Without a caller there must be an answer to that.
void check_key_owner(const route_options& route, const std::string& path, reader& with) {
    if (route.authenticate || route.session ||
        route.idempotency->rules.scope == idempotency::key_scope::open)
        return;
    with.fail_later(path,
                    "nothing tells whose key it is, so that one caller could get another's answer",
                    "expected authenticate or session on this route, or scope: public, where all "
                    "callers share one key space");
}

// Sending again needs a method that may run twice, or a service that makes a key's request take
// effect once.
void check_repeats(const route_options& route, const std::string& path, reader& with) {
    if (route.session->rules.on_conflict != session::conflict_rule::retry) return;
    const bool dedups = route.idempotency && route.idempotency->rules.backend_dedups;
    const auto may_run_twice = [](const std::string& method) {
        return http::is_idempotent(http::parse_method(method));
    };
    const auto& methods = route.match.methods;
    if (dedups || methods.empty() || std::ranges::any_of(methods, may_run_twice)) return;
    with.fail_later(path + ".on_conflict",
                    "is retry, and no request of this route may be sent again",
                    "expected a method such as PUT, or idempotency: {backend: dedups} for requests "
                    "with a key");
}

void check_idempotency(const configuration& of, const route_options& route, const std::string& path,
                       reader& with) {
    const idempotency::route_options& rules = route.idempotency->rules;
    if (const auto found = idempotency::find_mistake(rules)) with.fail_later(path, *found, "");
    want_store(of, path, route.idempotency->store, route.idempotency->allow_lossy,
               "a request could then run twice", with);
    check_keyed_methods(route, path, with);
    check_key_owner(route, path, with);
    if (!route.session || of.sessions.operation_memory >= rules.ttl) return;
    if (with.has_mistake_at("sessions.operation_memory")) return;
    with.fail_later(
        path + ".ttl",
        fmt::format("outcomes are remembered for {}, longer than the session remembers "
                    "its changes (sessions.operation_memory is {})",
                    to_duration_text(rules.ttl), to_duration_text(of.sessions.operation_memory)),
        "expected a shorter ttl or a longer operation_memory");
}

// A slot that a route reads and none writes may be written by another gateway on the same store;
// but when its name is nearly that of one that is written here, it is a slip of the hand.
void check_slots(const configuration& of, const route_options& route, const std::string& path,
                 reader& with) {
    std::vector<std::string> written;
    for (const route_options& one : of.routes)
        if (one.session)
            for (const std::string& slot : one.session->rules.write)
                if (!contains(written, slot)) written.push_back(slot);
    const std::vector<std::string>& read = route.session->rules.read;
    for (std::size_t i = 0; i < read.size(); ++i) {
        // Of short names every other one is near.
        if (read[i].size() < 4 || contains(written, read[i])) continue;
        const std::string near = nearest_name(read[i], written);
        if (!near.empty() && !contains(read, near))
            with.fail_later(path_of(path + ".read", i),
                            "no route writes the slot " + quote(read[i]),
                            "did you mean '" + near + "'?");
    }
}

void check_match(const route_match& match, const std::string& path, reader& with) {
    if (match.path && match.prefix)
        with.fail_later(path, "has both path and prefix", "expected one of them");
    if (!match.path && !match.prefix)
        with.fail_later(path, "has neither path nor prefix",
                        "expected one of them, such as prefix: /");
}

bool path_covers(const route_match& earlier, const route_match& later) {
    if (earlier.path) return later.path == earlier.path;
    const std::string& wanted = later.path ? *later.path : *later.prefix;
    const std::string& prefix = *earlier.prefix;
    if (prefix == "/") return true;
    return wanted.starts_with(prefix) &&
           (wanted.size() == prefix.size() || wanted[prefix.size()] == '/');
}

bool host_covers(const std::string& earlier, const std::string& later) {
    if (earlier == later) return true;
    return earlier.starts_with("*.") && later.size() > earlier.size() - 1 &&
           later.ends_with(std::string_view(earlier).substr(1));
}

bool hosts_cover(const route_match& earlier, const route_match& later) {
    if (earlier.hosts.empty()) return true;
    if (later.hosts.empty()) return false;
    return std::all_of(later.hosts.begin(), later.hosts.end(), [&](const std::string& one) {
        return std::any_of(earlier.hosts.begin(), earlier.hosts.end(),
                           [&](const std::string& other) { return host_covers(other, one); });
    });
}

bool methods_cover(const route_match& earlier, const route_match& later) {
    if (earlier.methods.empty()) return true;
    if (later.methods.empty()) return false;
    return std::all_of(later.methods.begin(), later.methods.end(), [&](const std::string& one) {
        return takes(earlier, one) || (one == "HEAD" && takes(earlier, "GET"));
    });
}

std::string derived_name(const route_match& match) {
    std::string out;
    for (const std::string& method : match.methods) out += (out.empty() ? "" : ",") + method;
    if (!out.empty()) out += ' ';
    if (!match.hosts.empty()) out += match.hosts.front();
    if (match.path) return out + *match.path;
    const std::string& prefix = match.prefix.value_or("/");
    return out + (prefix == "/" ? "/*" : prefix + "/*");
}

// An earlier route that matches all that this one does.
void check_hidden(const configuration& of, const std::vector<bool>& is_usable, std::size_t index,
                  reader& with) {
    const route_match& match = of.routes[index].match;
    for (std::size_t k = 0; k < index; ++k) {
        if (!is_usable[k] || !covers(of.routes[k].match, match)) continue;
        const bool equal = covers(match, of.routes[k].match);
        return with.fail_later(
            path_of("routes", index, "match"),
            equal ? fmt::format("routes[{}] has the same match", k)
                  : fmt::format("never gets a request, since routes[{}] matches all of them first",
                                k),
            equal ? "expected each match once"
                  : "expected the narrower route to stand before the wider one");
    }
}

}  // namespace

void want_known(const std::string& path, std::string_view kind, std::string_view section,
                const std::string& name, const std::vector<std::string>& known, reader& with) {
    if (name.empty() || contains(known, name)) return;
    const bool is_incomplete = known.empty() || contains(known, "");
    if (is_incomplete && with.has_mistake_at(std::string(section))) return;
    const std::string near = nearest_name(name, known);
    with.fail_later(path, fmt::format("there is no {} called {}", kind, quote(name)),
                    !near.empty()   ? "did you mean '" + near + "'?"
                    : known.empty() ? fmt::format("expected one to be defined under {}", section)
                                    : "expected " + join_choices(known));
}

bool covers(const route_match& earlier, const route_match& later) {
    if (!(earlier.path || earlier.prefix) || !(later.path || later.prefix)) return false;
    return path_covers(earlier, later) && hosts_cover(earlier, later) &&
           methods_cover(earlier, later);
}

void check_route(const configuration& of, std::size_t index, reader& with) {
    const route_options& route = of.routes[index];
    const std::string path = path_of("routes", index);
    check_match(route.match, path + ".match", with);
    want_known(path + ".upstream", "upstream", "upstreams", route.upstream, names_of(of.upstreams),
               with);
    check_limits(of, index, with);
    if (route.authenticate) check_authenticate(of, route, path + ".authenticate", with);
    if (route.session) {
        const std::string section = path + ".session";
        if (const auto found = session::find_mistake(route.session->rules))
            with.fail_later(section, *found, "");
        if (const auto found = session::find_mistake(route.session->rules, of.sessions))
            with.fail_later(section, *found, "");
        if (!route.session->store.empty())
            want_store(of, section, route.session->store, route.session->allow_lossy,
                       "a session could then be lost", with);
        check_slots(of, route, section, with);
        check_repeats(route, section, with);
        if (route.session->rules.url == session::url_rule::always && !of.session_api)
            with.fail_later(section + ".url", "is always, and services have nowhere to connect",
                            "expected session_api: {}");
    }
    if (route.idempotency) check_idempotency(of, route, path + ".idempotency", with);
}

void check_routes_together(const configuration& of, reader& with) {
    std::map<std::string_view, std::size_t> names;
    std::vector<bool> is_usable;
    for (std::size_t i = 0; i < of.routes.size(); ++i)
        is_usable.push_back(!with.has_mistake_at(path_of("routes", i, "match")));
    for (std::size_t i = 0; i < of.routes.size(); ++i) {
        const std::string& name = of.routes[i].name;
        const auto [found, fresh] = names.emplace(name, i);
        if (!fresh && !name.empty())
            with.fail_later(
                path_of("routes", i, "name"),
                fmt::format("routes[{}] is called {} already", found->second, quote(name)),
                "expected a name of its own");
        if (is_usable[i]) check_hidden(of, is_usable, i, with);
    }
}

void name_routes(configuration& of) {
    std::set<std::string> taken;
    for (const route_options& one : of.routes) taken.insert(one.name);
    std::map<std::string, std::size_t> tried;  // the number that each name was last tried with
    for (route_options& one : of.routes) {
        if (!one.name.empty()) continue;
        const std::string base = derived_name(one.match);
        one.name = base;
        std::size_t& number = tried.try_emplace(base, 1).first->second;
        while (!taken.insert(one.name).second) one.name = fmt::format("{} ({})", base, ++number);
    }
}

}  // namespace lethe::gateway::config
