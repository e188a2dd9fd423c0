#include "cli/doctor_command.hpp"

#include "base/json.hpp"
#include "cli/progress.hpp"
#include "gateway/config/load.hpp"
#include "gateway/tools/doctor.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::cli {
namespace {

namespace bj = boost::json;
namespace config = gateway::config;
namespace tools = gateway::tools;
using weight = store::finding::weight;

constexpr std::size_t width_max = 100;

std::string_view name_of(weight of) {
    switch (of) {
        case weight::note: return "note";
        case weight::warning: return "warning";
        case weight::fault: return "FAULT";
    }
    return "";
}

std::string_view name_of(tools::store_state of) {
    switch (of) {
        case tools::store_state::answers: return "answers";
        case tools::store_state::silent: return "silent";
        case tools::store_state::unopened: return "unopened";
        case tools::store_state::unmade: return "unmade";
    }
    return "";
}

// "durable, linearizable per key, …": what it promises now.
std::vector<std::string> promises_in_words(const store::engine_promises& of) {
    std::vector<std::string> out;
    const auto add = [&](bool yes, const char* words, const char* otherwise = nullptr) {
        if (yes)
            out.emplace_back(words);
        else if (otherwise != nullptr)
            out.emplace_back(otherwise);
    };
    if (of.durable)
        out.emplace_back("durable");
    else
        out.emplace_back(of.settings_decide ? "durable if its settings say so" : "not durable");
    add(of.may_evict, "may evict", "never evicts");
    add(of.linearizable, "linearizable per key", "not linearizable");
    add(of.transactions, "transactions");
    add(of.shared, "shared", "this process alone");
    add(of.scans, "lists its keys");
    return out;
}

// Words in lines of at most width_max, each after `indent` blanks; the first line goes on where
// the caller is.
std::string wrapped(std::string_view text, std::size_t indent) {
    std::string out;
    std::size_t column = indent;
    while (!text.empty()) {
        const std::string_view word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        if (column > indent && column + 1 + word.size() > width_max) {
            out += '\n' + std::string(indent, ' ');
            column = indent;
        } else if (column > indent) {
            out += ' ';
            ++column;
        }
        out += word;
        column += word.size();
    }
    return out;
}

struct row {
    std::string route, state, store, level;
    std::vector<std::string> why;
};

std::vector<row> rows_of(const tools::report& of) {
    std::vector<row> out;
    for (const tools::route_report& route : of.routes) {
        std::string name = route.route;
        if (route.state.empty())
            out.push_back({name, "-", "-", "G0", {"no state is kept; every request is forwarded"}});
        for (const tools::state_report& state : route.state) {
            const std::string level = state.level ? std::string(tools::to_text(*state.level)) : "-";
            out.push_back({name, state.what, state.store, level, state.why});
            name.clear();
        }
    }
    return out;
}

void print_routes(const tools::report& of) {
    std::vector<row> rows = rows_of(of);
    rows.insert(rows.begin(), row{"ROUTE", "STATE", "STORE", "LEVEL", {"WHY"}});
    std::size_t route = 0, state = 0, store = 0;
    for (const row& one : rows) {
        route = std::max(route, one.route.size());
        state = std::max(state, one.state.size());
        store = std::max(store, one.store.size());
    }
    const std::size_t indent = route + state + store + 5 + 4 * 2;
    for (const row& one : rows) {
        std::cout << fmt::format("{:<{}}  {:<{}}  {:<{}}  {:<5}  ", one.route, route, one.state,
                                 state, one.store, store, one.level);
        for (std::size_t i = 0; i < one.why.size(); ++i)
            std::cout << (i == 0 ? "" : std::string(indent, ' ')) << wrapped(one.why[i], indent)
                      << '\n';
    }
}

std::string state_in_words(const tools::store_facts& of) {
    const std::string server = of.seen.server.empty() ? "" : of.seen.server + ", ";
    switch (of.state) {
        case tools::store_state::answers:
            return fmt::format("{}answers in {} ms", server, of.took.count());
        case tools::store_state::silent: return "does not answer";
        case tools::store_state::unopened: return "cannot be opened";
        case tools::store_state::unmade: return "not made yet";
    }
    return {};
}

void print_store(const tools::store_report& of) {
    std::cout << fmt::format("\nstore {}: {}\n", of.name, of.shown);
    constexpr std::size_t indent = 12;
    const auto line = [](std::string_view name, std::string_view text) {
        std::cout << fmt::format("  {:<{}}{}\n", name, indent - 2, wrapped(text, indent));
    };
    line("server", state_in_words(of.facts));
    line("promises", fmt::format("{}", fmt::join(promises_in_words(of.facts.seen.promises), ", ")));
    if (of.facts.seen.survives_failover)
        line("", "what was acknowledged is on a second machine, too");
    for (const store::finding& one : of.facts.seen.findings) {
        line(name_of(one.how_bad), one.what);
        if (!one.advice.empty()) line("", "-> " + one.advice);
    }
}

void print(const tools::report& of) {
    print_routes(of);
    for (const tools::store_report& one : of.stores) print_store(one);
    for (const std::string& name : of.unused)
        std::cout << fmt::format("\nstore {}: no route uses it\n", name);
    std::cout << '\n'
              << (of.faults == 0 && of.warnings == 0
                      ? std::string("no faults, no warnings")
                      : count_of(of.faults, "fault") + ", " + count_of(of.warnings, "warning"))
              << '\n';
}

bj::object to_json(const store::engine_promises& of) {
    return {{"durable", of.durable},
            {"settings_decide", of.settings_decide},
            {"linearizable", of.linearizable},
            {"transactions", of.transactions},
            {"may_evict", of.may_evict},
            {"shared", of.shared},
            {"scans", of.scans}};
}

bj::object to_json(const tools::store_report& of) {
    bj::array findings;
    for (const store::finding& one : of.facts.seen.findings)
        findings.push_back(
            bj::object{{"weight", one.how_bad == weight::fault ? "fault" : name_of(one.how_bad)},
                       {"what", one.what},
                       {"advice", one.advice}});
    return {{"store", of.name},
            {"url", of.shown},
            {"state", name_of(of.facts.state)},
            {"server", of.facts.seen.server},
            {"milliseconds", of.facts.took.count()},
            {"promises", to_json(of.facts.seen.promises)},
            {"survives_failover", of.facts.seen.survives_failover},
            {"routes", bj::array(of.routes.begin(), of.routes.end())},
            {"findings", std::move(findings)}};
}

bj::object to_json(const tools::route_report& of) {
    bj::object out{{"route", of.route}};
    for (const tools::state_report& one : of.state) {
        bj::object state{{"store", one.store}, {"why", bj::array(one.why.begin(), one.why.end())}};
        if (one.level) state["level"] = tools::to_text(*one.level);
        out[one.what] = std::move(state);
    }
    if (!out.contains("idempotency")) out["idempotency"] = bj::object{{"level", "G0"}};
    return out;
}

bj::object to_json(const tools::report& of, bool ok) {
    bj::array routes, stores;
    for (const tools::route_report& one : of.routes) routes.push_back(to_json(one));
    for (const tools::store_report& one : of.stores) stores.push_back(to_json(one));
    return {{"ok", ok},
            {"faults", of.faults},
            {"warnings", of.warnings},
            {"routes", std::move(routes)},
            {"stores", std::move(stores)},
            {"unused_stores", bj::array(of.unused.begin(), of.unused.end())}};
}

struct arguments {
    std::string file = "lethe.yaml";
    bool json = false;
    bool strict = false;
    unsigned seconds = 3;
};

int examine(const arguments& in) {
    std::vector<config::mistake> mistakes;
    const result<config::configuration> loaded = config::load_config(in.file, mistakes);
    if (loaded.has_error()) {
        std::cerr << to_text(mistakes) << in.file << ": " << count_of(mistakes.size(), "mistake")
                  << "; nothing was examined\n";
        return 2;
    }
    const tools::facts_by_url facts =
        tools::examine_stores(tools::used_urls(*loaded), std::chrono::seconds{in.seconds});
    const tools::report seen = tools::judge(*loaded, facts);
    const bool ok = seen.faults == 0 && (!in.strict || seen.warnings == 0);
    if (in.json)
        std::cout << json::to_text(to_json(seen, ok)) << '\n';
    else
        print(seen);
    return ok ? 0 : 1;
}

}  // namespace

void add_doctor_command(CLI::App& app, int& exit_code) {
    auto in = std::make_shared<arguments>();
    CLI::App* command = app.add_subcommand(
        "doctor", "Tell what is promised for each route, and whether the stores keep it");
    command->add_option("-c,--config,FILE", in->file, "The configuration file")
        ->type_name("FILE")
        ->capture_default_str();
    command->add_flag("--json", in->json, "Answer as JSON on standard output");
    command->add_flag("--strict", in->strict, "Warnings count as faults");
    command->add_option("--timeout", in->seconds, "How long a store may take to answer")
        ->type_name("SECONDS")
        ->check(CLI::Range(1, 60))
        ->capture_default_str();
    command->footer(
        "Levels: G0 nothing; G1 duplicates are suppressed while the store remembers; G2 each use "
        "of a key\nis forwarded once, its outcome replayed or honestly unknown; G3 also the effect "
        "happens once.\n"
        "Nothing is changed, and no file is made.\n"
        "Exit code 0: no faults; 1: faults; 2: the configuration has mistakes.\n\n"
        "Examples:\n"
        "  lethe doctor -c lethe.yaml\n"
        "  lethe doctor --strict --json | jq '.stores[].findings[]'");
    command->callback([in, &exit_code] { exit_code = examine(*in); });
}

}  // namespace lethe::cli
