#include "cli/all_stores.hpp"

#include "cli/store_place.hpp"
#include "gateway/config/load.hpp"

#include <CLI/CLI.hpp>

#include <iostream>
#include <set>
#include <vector>

namespace lethe::cli {
namespace {

namespace config = gateway::config;

std::set<std::string> names_in_use(const config::configuration& of) {
    std::set<std::string> out;
    for (const config::route_options& route : of.routes) {
        if (route.session && !route.session->store.empty()) out.insert(route.session->store);
        if (route.idempotency) out.insert(route.idempotency->store);
    }
    return out;
}

}  // namespace

void add_stores_options(CLI::App& command, const std::shared_ptr<stores_arguments>& to) {
    command.add_option("-c,--config", to->file, "The configuration")
        ->type_name("FILE")
        ->capture_default_str();
    command.add_option("--store", to->only, "Only this one of its stores")->type_name("NAME");
}

std::unique_ptr<open_stores> open_all(const stores_arguments& from, int& code) {
    std::vector<config::mistake> mistakes;
    const result<config::configuration> loaded = config::load_config(from.file, mistakes);
    code = exit_usage;
    if (loaded.has_error()) {
        std::cerr << to_text(mistakes);
        return nullptr;
    }
    std::set<std::string> wanted = names_in_use(*loaded);
    if (!from.only.empty()) wanted = {from.only};
    if (wanted.empty()) {
        fail(exit_usage, from.file + " has no route that keeps sessions or keys in a store");
        return nullptr;
    }
    auto out = std::make_unique<open_stores>();
    out->sessions = loaded->sessions;
    for (const std::string& name : wanted) {
        const auto found = loaded->stores.find(name);
        if (found == loaded->stores.end()) {
            fail(exit_usage, from.file + " has no store called '" + name + "'");
            return nullptr;
        }
        const store_place at{found->second.url, found->second.previous, name};
        code = exit_failed;
        const result<store::store*> opened = open_place(out->bench, at, must_exist::yes);
        if (opened.has_error()) return nullptr;
        out->all[name] = *opened;
    }
    code = 0;
    return out;
}

int fail_at_stores(const error_code& error) {
    return fail(exit_failed, "a store could not be asked: " + describe(error) +
                                 ". What was done by then is done; the command may be repeated");
}

}  // namespace lethe::cli
