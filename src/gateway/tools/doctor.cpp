#include "gateway/tools/doctor.hpp"

#include "net/signal.hpp"
#include "store/open.hpp"
#include "store/tools/workbench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <utility>

namespace lethe::gateway::tools {
namespace {

using store::engine_promises;
using store::finding;
using weight = store::finding::weight;

template <class Visit>
void for_each_use(const config::configuration& of, Visit visit) {
    for (const config::route_options& route : of.routes) {
        if (route.session && !route.session->store.empty())
            visit(route, route.session->store, route.session->allow_lossy);
        if (route.idempotency)
            visit(route, route.idempotency->store, route.idempotency->allow_lossy);
    }
}

bool forgets_nothing(const engine_promises& of) {
    return of.durable && !of.may_evict;
}

// The file of a sqlite URL; "" for others.
std::string file_of(const std::string& url) {
    constexpr std::string_view scheme = "sqlite:";
    if (!url.starts_with(scheme)) return {};
    return url.substr(scheme.size(), url.find('?') - scheme.size());
}

// What both of a pair promise.
struct kept {
    bool durable = true;
    bool may_evict = false;
    bool linearizable = true;
    bool shared = true;
    bool survives_failover = true;
    bool answers = true;
    bool unknown = false;  // its settings decide, and it does not tell
};

kept kept_by(const config::store_options& of, const facts_by_url& facts) {
    kept out;
    for (const std::string& url : {of.url, of.previous}) {
        if (url.empty()) continue;
        const store_facts& one = facts.at(url);
        const engine_promises& promised = one.seen.promises;
        // Where the settings decide and the server is silent, nothing is promised.
        const bool answered = one.state == store_state::answers;
        out.durable = out.durable && promised.durable;
        out.unknown = out.unknown || (promised.settings_decide && !answered);
        out.may_evict = out.may_evict || promised.may_evict;
        out.linearizable = out.linearizable && promised.linearizable;
        out.shared = out.shared && promised.shared;
        // A file does not fail over.
        out.survives_failover =
            out.survives_failover && (one.seen.survives_failover || !file_of(url).empty());
        out.answers = out.answers && (answered || one.state == store_state::unmade);
    }
    return out;
}

std::string missing_promise(const kept& of) {
    if (of.unknown) return "its settings decide, and it does not answer";
    if (!of.durable && of.may_evict) return "it is not durable and may evict records";
    if (!of.durable) return "it is not durable: a crash loses what was acknowledged";
    if (of.may_evict) return "it may evict records before their expiry";
    return "it may answer with what was true before (not linearizable)";
}

std::string keyed_methods(const config::route_options& of) {
    std::string out;
    const auto add = [&](const char* method, bool takes_keys) {
        const std::vector<std::string>& matched = of.match.methods;
        const bool matches = matched.empty() || std::ranges::find(matched, method) != matched.end();
        if (takes_keys && matches) out += (out.empty() ? "" : ", ") + std::string(method);
    };
    add("POST", true);
    add("PATCH", true);
    add("PUT", of.idempotency->rules.put);
    add("DELETE", of.idempotency->rules.delete_);
    return out;
}

state_report judge_idempotency(const config::route_options& route, const kept& store) {
    const idempotency::route_options& rules = route.idempotency->rules;
    state_report out{
        .what = "idempotency", .store = route.idempotency->store, .level = {}, .why = {}};
    if (!store.durable || store.may_evict || !store.linearizable) {
        out.level = guarantee::g1;
        out.why.push_back("the store cannot promise more: " + missing_promise(store));
    } else if (rules.backend_dedups) {
        out.level = guarantee::g3;
        out.why.emplace_back(
            "the store is durable and evicts nothing, and the service answers for its part "
            "(backend: dedups)");
    } else {
        out.level = guarantee::g2;
        out.why.emplace_back("the store is durable and evicts nothing");
    }
    if (!store.answers) out.why.emplace_back("it does not answer now, so keyed requests fail");
    out.why.push_back("methods that take keys: " + keyed_methods(route));
    if (rules.mode == idempotency::key_mode::optional)
        out.why.emplace_back("requests without a key get G0 (mode: optional)");
    if (rules.store_down == idempotency::store_down_rule::pass)
        out.why.emplace_back("all get G0 while the store is away (store_down: pass)");
    if (rules.on_500 == idempotency::answer_rule::release)
        out.why.emplace_back("a 500 frees the key: the service sees it again (on_500: release)");
    if (*out.level >= guarantee::g2 && !store.survives_failover)
        out.why.emplace_back("a failover of the store to another machine may lose the last of it");
    return out;
}

// Of sessions.mode: sealed.
const std::vector<std::string> in_cookies = {
    "in the browser's cookies: of two changes at the same time one is lost, and a session cannot "
    "be ended before its time by others than its browser"};

state_report judge_session(const config::configuration& of, const config::route_options& route,
                           const kept& store) {
    state_report out{.what = "session", .store = route.session->store, .level = {}, .why = {}};
    if (of.sessions.mode == session::session_mode::sealed)
        out.why.emplace_back(
            "in the browser's cookies, where of two changes at the same time one is lost; in the "
            "store what outgrows them and which subjects' sessions were ended");
    if (store.durable && !store.may_evict)
        out.why.emplace_back("kept until it expires: the store is durable and evicts nothing");
    else
        out.why.push_back("may be lost: " + missing_promise(store));
    if (!store.answers) out.why.emplace_back("the store does not answer now");
    return out;
}

route_report judge_route(const config::configuration& of, const config::route_options& route,
                         const facts_by_url& facts) {
    route_report out{.route = route.name, .state = {}};
    const auto kept_in = [&](const std::string& name) {
        return kept_by(of.stores.at(name), facts);
    };
    if (route.session && route.session->store.empty())
        out.state.push_back({.what = "session", .store = {}, .level = {}, .why = in_cookies});
    else if (route.session)
        out.state.push_back(judge_session(of, route, kept_in(route.session->store)));
    if (route.idempotency)
        out.state.push_back(judge_idempotency(route, kept_in(route.idempotency->store)));
    return out;
}

void add_findings_of_state(store_facts& of) {
    auto& findings = of.seen.findings;
    if (of.state == store_state::silent)
        findings.push_back({.how_bad = weight::fault,
                            .what = "it does not answer: " + of.why,
                            .advice = "start it, or put host, port and password right"});
    if (of.state == store_state::unopened)
        findings.push_back({.how_bad = weight::fault, .what = of.why, .advice = ""});
    if (of.state == store_state::unmade)
        findings.push_back({.how_bad = weight::note,
                            .what = "the file is not there yet; lethe makes it when it starts",
                            .advice = ""});
}

// The configuration accepted it because its settings decide, and they decided otherwise.
void add_broken_promise(store_facts& of) {
    if (of.state != store_state::answers || forgets_nothing(of.seen.promises)) return;
    const bool is_told = std::ranges::any_of(
        of.seen.findings, [](const finding& one) { return one.how_bad == weight::fault; });
    if (is_told) return;
    of.seen.findings.push_back(
        {.how_bad = weight::fault,
         .what = "it may lose what was acknowledged, as it is set up now",
         .advice = "change its settings, or say allow_lossy: true on the routes that use it"});
}

store_report judge_store(const config::configuration& of, const std::string& name,
                         const std::string& url, const facts_by_url& facts, bool is_previous) {
    store_report out{.name = is_previous ? name + ", the previous one" : name,
                     .shown = store::shown_url(url),
                     .facts = facts.at(url),
                     .routes = {}};
    bool all_lossy = true;
    for_each_use(of, [&](const config::route_options& route, const std::string& used, bool lossy) {
        if (used != name) return;
        all_lossy = all_lossy && lossy;
        if (out.routes.empty() || out.routes.back() != route.name) out.routes.push_back(route.name);
    });
    if (!all_lossy) add_broken_promise(out.facts);
    // Whoever says allow_lossy everywhere knows that it may forget.
    if (all_lossy && out.facts.state == store_state::answers)
        for (finding& one : out.facts.seen.findings)
            if (one.how_bad == weight::fault) one.how_bad = weight::warning;
    add_findings_of_state(out.facts);
    return out;
}

std::set<std::string> used_names(const config::configuration& of) {
    std::set<std::string> out;
    for_each_use(
        of, [&](const config::route_options&, const std::string& name, bool) { out.insert(name); });
    return out;
}

// Examines stores side by side. Each examination owns its place in `facts`.
class examiner {
 public:
    examiner(const std::vector<std::string>& urls, std::chrono::milliseconds at_most)
        : at_most_(at_most), ended_(bench_.worker()) {
        for (const std::string& url : urls) open(url);
    }

    facts_by_url run() {
        const result<> asked = bench_.run<void>([this] { return ask_all(); });
        LETHE_ASSERT(asked.has_value());
        return std::move(facts_);
    }

 private:
    void open(const std::string& url) {
        store_facts& to = facts_[url];
        std::string why;
        const auto promised = store::promises_of_url(url, why);
        if (promised.has_value()) to.seen.promises = *promised;
        std::error_code failed;
        const std::string file = file_of(url);
        if (!file.empty() && !std::filesystem::exists(file, failed)) {
            to.state = store_state::unmade;
            return;
        }
        const result<store::store*> opened = bench_.open(url, "", store::shown_url(url), why);
        if (opened.has_error()) {
            to.state = store_state::unopened;
            to.why = why;
            return;
        }
        open_.push_back({*opened, &to});
    }

    task<> ask_all() {
        for (const one_store& one : open_) {
            ++under_way_;
            bench_.worker().spawn(ask(one));
        }
        while (under_way_ > 0) {
            // Each ends by its own deadline.
            const result<> ended = co_await ended_.wait(now() + std::chrono::seconds{1});
            LETHE_ASSERT(!ended.has_error() || ended.error() == condition::timeout);
        }
        co_return result<>{};
    }

    struct one_store {
        store::store* it;
        store_facts* to;
    };

    task<> ask(one_store one) {
        const steady_time begin = now();
        result<store::examination> seen = co_await one.it->examine(begin + at_most_);
        one.to->took = std::chrono::duration_cast<std::chrono::milliseconds>(now() - begin);
        if (seen.has_value()) {
            one.to->seen = *std::move(seen);
        } else {
            one.to->state = store_state::silent;
            one.to->why = seen.error().message();
        }
        --under_way_;
        ended_.notify_one();
        co_return result<>{};
    }

    steady_time now() { return bench_.worker().time().steady_now(); }

    std::chrono::milliseconds at_most_;
    facts_by_url facts_;
    store::tools::workbench bench_;
    net::signal ended_;
    std::vector<one_store> open_;
    std::size_t under_way_ = 0;
};

}  // namespace

std::string_view to_text(guarantee of) noexcept {
    switch (of) {
        case guarantee::g0: return "G0";
        case guarantee::g1: return "G1";
        case guarantee::g2: return "G2";
        case guarantee::g3: return "G3";
    }
    return "";
}

std::vector<std::string> used_urls(const config::configuration& of) {
    std::set<std::string> out;
    for (const std::string& name : used_names(of)) {
        const config::store_options& options = of.stores.at(name);
        out.insert(options.url);
        if (!options.previous.empty()) out.insert(options.previous);
    }
    return {out.begin(), out.end()};
}

facts_by_url examine_stores(const std::vector<std::string>& urls,
                            std::chrono::milliseconds at_most) {
    return examiner(urls, at_most).run();
}

report judge(const config::configuration& of, const facts_by_url& facts) {
    report out;
    for (const config::route_options& route : of.routes)
        out.routes.push_back(judge_route(of, route, facts));
    const std::set<std::string> used = used_names(of);
    for (const auto& [name, options] : of.stores) {
        if (!used.contains(name)) {
            out.unused.push_back(name);
            continue;
        }
        out.stores.push_back(judge_store(of, name, options.url, facts, false));
        if (!options.previous.empty())
            out.stores.push_back(judge_store(of, name, options.previous, facts, true));
    }
    for (const store_report& one : out.stores)
        for (const finding& found : one.facts.seen.findings) {
            if (found.how_bad == weight::fault) ++out.faults;
            if (found.how_bad == weight::warning) ++out.warnings;
        }
    return out;
}

}  // namespace lethe::gateway::tools
