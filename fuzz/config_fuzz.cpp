// Configurations: whatever the text, an answer with values or with mistakes that have their place.
#include "fuzz.hpp"
#include "gateway/config/load.hpp"
#include "gateway/route_table.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace {

namespace config = lethe::gateway::config;

std::optional<std::string> find_variable(std::string_view name) {
    if (name == "A") return "shop";
    if (name == "HOST") return "http://127.0.0.1:9001";
    return std::nullopt;
}

// A mistake is for a person at a terminal: one line, with a reason, at a place of the file or the
// whole of it.
void check_mistakes(const std::vector<config::mistake>& mistakes, std::string_view text) {
    const auto lines = 1 + std::count(text.begin(), text.end(), '\n');
    LETHE_FUZZ_CHECK(mistakes.size() <= config::mistakes_max + 1);
    for (const config::mistake& one : mistakes) {
        LETHE_FUZZ_CHECK(!one.what.empty());
        LETHE_FUZZ_CHECK(one.at.line >= 0 && one.at.line <= lines + 1);
        LETHE_FUZZ_CHECK((one.at.line == 0) == (one.at.column == 0));
    }
}

// What was taken is what the rest of the gateway relies on without asking.
void check_made(const config::configuration& made) {
    LETHE_FUZZ_CHECK(!made.listen.empty() && !made.routes.empty());
    for (std::size_t i = 0; i < made.routes.size(); ++i) {
        const config::route_options& route = made.routes[i];
        LETHE_FUZZ_CHECK(!route.name.empty());
        LETHE_FUZZ_CHECK(route.match.path.has_value() != route.match.prefix.has_value());
        LETHE_FUZZ_CHECK(std::ranges::count(made.upstreams, route.upstream,
                                            &lethe::upstream::options::name) == 1);
        LETHE_FUZZ_CHECK(
            std::ranges::count(made.routes, route.name, &config::route_options::name) == 1);
        if (route.session) LETHE_FUZZ_CHECK(made.stores.contains(route.session->store));
        if (route.idempotency) LETHE_FUZZ_CHECK(made.stores.contains(route.idempotency->store));
        if (!route.authenticate) continue;
        LETHE_FUZZ_CHECK(!route.authenticate->issuers.empty());
        for (const std::string& name : route.authenticate->issuers)
            LETHE_FUZZ_CHECK(std::ranges::count(made.issuers, name,
                                                &lethe::identity::issuer_options::name) == 1);
    }
    for (const lethe::upstream::options& one : made.upstreams)
        LETHE_FUZZ_CHECK(!one.name.empty() && !one.replicas.empty());
}

// A request made from a route's own match takes that route or an earlier one.
void check_table(const config::configuration& made) {
    const lethe::gateway::route_table table(made.routes);
    for (std::size_t i = 0; i < made.routes.size(); ++i) {
        const config::route_match& match = made.routes[i].match;
        lethe::arena memory;
        lethe::http::request_head head(memory);
        head.path = match.path ? *match.path : *match.prefix;
        head.method_text = match.methods.empty() ? "GET" : std::string_view(match.methods.front());
        head.method = lethe::http::parse_method(head.method_text);
        std::string host = match.hosts.empty() ? "other" : match.hosts.front();
        if (host.starts_with("*.")) host.replace(0, 1, "a");
        head.authority = host;
        const auto found = table.find(head);
        LETHE_FUZZ_CHECK(found && *found <= i);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(lethe::fuzz::text(data, size));
    config::parse_options options;
    options.file = "f.yaml";
    options.directory = "/nowhere";
    options.variables = find_variable;
    options.look_at_files = false;
    std::vector<config::mistake> mistakes;
    const auto made = config::parse_config(text, options, mistakes);
    LETHE_FUZZ_CHECK(made.has_value() == mistakes.empty());
    check_mistakes(mistakes, text);
    if (made.has_error()) return 0;
    check_made(*made);
    check_table(*made);
    LETHE_FUZZ_CHECK(config::changes_needing_restart(*made, *made).empty());
    return 0;
}
