#include "cli/store_place.hpp"

#include "gateway/config/load.hpp"
#include "gateway/config/reader.hpp"
#include "store/open.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <utility>
#include <vector>

namespace lethe::cli {
namespace {

namespace config = gateway::config;

// A name has no colon, a URL has.
bool is_url(std::string_view text) {
    return text.find(':') != text.npos;
}

result<store_place> place_of_url(const std::string& url) {
    std::string why;
    const result<> fine = store::validate_url(url, why);
    if (fine.has_error()) {
        fail(exit_usage, why);
        return fine.error();
    }
    return store_place{url, "", "store"};
}

result<store_place> place_of_name(const std::string& name, const std::string& file) {
    std::vector<config::mistake> mistakes;
    const result<config::configuration> loaded = config::load_config(file, mistakes);
    if (loaded.has_error()) {
        std::cerr << to_text(mistakes);
        fail(exit_usage, fmt::format("{} cannot be used; -c FILE names another configuration, "
                                     "--url URL a store without one",
                                     file));
        return loaded.error();
    }
    const auto found = loaded->stores.find(name);
    if (found != loaded->stores.end())
        return store_place{found->second.url, found->second.previous, name};
    std::vector<std::string> known;
    for (const auto& [one, options] : loaded->stores) known.push_back(one);
    fail(exit_usage,
         fmt::format("{} has no store called '{}'; {}", file, name, config::suggest(name, known)));
    return make_error_code(config::errc::invalid);
}

std::string missing_file(const std::string& url) {
    constexpr std::string_view scheme = "sqlite:";
    if (!url.starts_with(scheme)) return {};
    const std::string path = url.substr(scheme.size(), url.find('?') - scheme.size());
    std::error_code failed;
    return std::filesystem::exists(path, failed) ? std::string() : path;
}

}  // namespace

const char* const place_help =
    "The store is one of the configuration's (-c FILE, --store NAME), or --url URL. Prefer the\n"
    "configuration: who lists the processes of this machine sees a password in a URL.";

std::string store_place::shown() const {
    std::string out = fmt::format("{} ({}", name, store::shown_url(url));
    if (!previous.empty()) out += ", moving from " + store::shown_url(previous);
    return out + ')';
}

void add_configuration_options(CLI::App& command, const std::shared_ptr<place_arguments>& to) {
    command.add_option("-c,--config", to->file, "The configuration")
        ->type_name("FILE")
        ->capture_default_str();
    command.add_option("--store", to->name, "Which of its stores")
        ->type_name("NAME")
        ->capture_default_str();
}

void add_place_options(CLI::App& command, const std::shared_ptr<place_arguments>& to) {
    add_configuration_options(command, to);
    command.add_flag("--previous", to->previous, "The store that it moves from");
    command.add_option("--url", to->url, "A store without a configuration")
        ->type_name("URL")
        ->excludes("--previous");
}

result<store_place> find_place(const place_arguments& from) {
    if (!from.url.empty()) return place_of_url(from.url);
    LETHE_TRY(store_place found, place_of_name(from.name, from.file));
    const std::string previous = std::exchange(found.previous, {});
    if (!from.previous) return found;
    if (previous.empty()) {
        fail(exit_usage, fmt::format("the store {} of {} does not move from another one", from.name,
                                     from.file));
        return make_error_code(config::errc::invalid);
    }
    return store_place{previous, "", from.name + ", the previous one"};
}

result<store_place> find_place(const std::string& url_or_name, const std::string& file) {
    return is_url(url_or_name) ? place_of_url(url_or_name) : place_of_name(url_or_name, file);
}

result<store::store*> open_place(store::tools::workbench& on, const store_place& at,
                                 must_exist exists) {
    for (const std::string& url : {at.url, at.previous}) {
        const std::string missing = exists == must_exist::yes ? missing_file(url) : "";
        if (missing.empty()) continue;
        fail(exit_failed, fmt::format("there is no file {}", missing));
        return store::make_error_code(store::errc::unavailable);
    }
    std::string why;
    result<store::store*> opened = on.open(at.url, at.previous, at.name, why);
    if (opened.has_error()) fail(exit_failed, fmt::format("{}: {}", at.shown(), why));
    return opened;
}

int fail(int code, std::string_view text) {
    std::cerr << "lethe: " << text << '\n';
    return code;
}

std::string why_failed(const store_place& at, const error_code& error) {
    if (error == condition::outcome_unknown)
        return fmt::format("{}: {}; run the command again", at.shown(), error.message());
    if (error == condition::unavailable || error == condition::timeout ||
        error == condition::overloaded)
        return fmt::format(
            "{} does not answer ({}); is its server up, and are host, port and "
            "password right?",
            at.shown(), error.message());
    return fmt::format("{}: {}", at.shown(), error.message());
}

}  // namespace lethe::cli
