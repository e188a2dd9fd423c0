#include "cli/idempotency_command.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/random.hpp"
#include "cli/all_stores.hpp"
#include "cli/store_place.hpp"
#include "http/fields.hpp"
#include "idempotency/key.hpp"
#include "idempotency/operation.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace lethe::cli {
namespace {

namespace bj = boost::json;
namespace keys = idempotency;

struct key_arguments : stores_arguments {
    std::string id;
    std::string key;
    std::string issuer;
    std::string subject;
    std::string tenant;
    std::string method;
    std::string path;
    bool unknown_only = false;
    bool not_done = false;
    int status = 0;
    std::string body_file;
    std::vector<std::string> fields;
    bool json = false;
};

struct placed_key {
    std::string store;
    keys::listed_key it;
};

std::string_view state_of(const keys::listed_key& of) {
    if (of.unknown) return "unknown";
    switch (of.state) {
        case keys::record_state::claimed: return "claimed";
        case keys::record_state::done: return "done";
        case keys::record_state::unknown: return "unknown";
        case keys::record_state::released: return "released";
    }
    return "unknown";
}

bj::object to_json(const placed_key& of) {
    bj::object out{{"id", to_hex(of.it.id)},
                   {"store", of.store},
                   {"state", state_of(of.it)},
                   {"epoch", of.it.epoch},
                   {"created", to_utc_text(of.it.created)},
                   {"expires", to_utc_text(of.it.expires)}};
    if (of.it.state == keys::record_state::claimed)
        out["lease_until"] = to_utc_text(of.it.lease_until);
    if (of.it.status != 0) {
        out["status"] = of.it.status;
        out["has_body"] = of.it.has_body;
    }
    return out;
}

void print_keys(const std::vector<placed_key>& all) {
    std::cout << fmt::format("{:<64}  {:<8}  {:>5}  {:>6}  {:<20}  {:<20}  {}\n", "ID", "STATE",
                             "EPOCH", "STATUS", "CREATED", "EXPIRES", "STORE");
    for (const placed_key& one : all)
        std::cout << fmt::format("{:<64}  {:<8}  {:>5}  {:>6}  {:<20}  {:<20}  {}\n",
                                 to_hex(one.it.id), state_of(one.it), one.it.epoch,
                                 one.it.status != 0 ? std::to_string(one.it.status) : "-",
                                 to_utc_text(one.it.created), to_utc_text(one.it.expires),
                                 one.store);
}

int print(const std::vector<placed_key>& all, bool as_json) {
    if (as_json) {
        bj::array out;
        for (const placed_key& one : all) out.push_back(to_json(one));
        std::cout << json::to_text(out) << '\n';
    } else if (!all.empty()) {
        print_keys(all);
    }
    return 0;
}

// The record's id: as it is shown, or from the key and its caller.
std::optional<std::string> id_of(const key_arguments& in) {
    if (!in.id.empty()) {
        const result<std::string> bytes = from_hex(in.id);
        return bytes.has_value() && bytes->size() == 32 ? std::optional(*bytes) : std::nullopt;
    }
    const result<std::string> key = keys::parse_key(in.key, {});
    if (key.has_error()) return std::nullopt;
    const std::string caller = in.subject.empty()
                                   ? keys::caller_of_nobody()
                                   : keys::caller_of_principal(in.issuer, in.subject);
    std::string id = keys::make_record_id({in.tenant, caller}, *key);
    if (!in.method.empty()) id = sha256_of_parts({id, in.method, in.path});
    return id;
}

task<std::vector<placed_key>> list_all(gateway::store_map in, clock& time, std::string subject,
                                       steady_time deadline) {
    std::vector<placed_key> out;
    for (const auto& [name, store] : in) {
        result<std::vector<keys::listed_key>> here =
            co_await keys::list_keys(*store, time, subject, deadline);
        if (here.has_error()) co_return here.error();
        for (keys::listed_key& one : *here) out.push_back({name, std::move(one)});
    }
    co_return out;
}

task<std::vector<placed_key>> look_everywhere(gateway::store_map in, clock& time, std::string id,
                                              steady_time deadline) {
    std::vector<placed_key> out;
    for (const auto& [name, store] : in) {
        result<std::optional<keys::listed_key>> here =
            co_await keys::look_at_key(*store, time, id, deadline);
        if (here.has_error()) co_return here.error();
        if (*here) out.push_back({name, *std::move(*here)});
    }
    co_return out;
}

int list(const key_arguments& in) {
    int code = 0;
    const std::unique_ptr<open_stores> on = open_all(in, code);
    if (!on) return code;
    result<std::vector<placed_key>> found = on->bench.run<std::vector<placed_key>>(
        [&] { return list_all(on->all, on->bench.worker().time(), in.subject, on->soon()); });
    if (found.has_error()) return fail_at_stores(found.error());
    if (in.unknown_only)
        std::erase_if(*found, [](const placed_key& one) { return !one.it.unknown; });
    if (found->empty() && !in.json)
        return fail(exit_failed, "this subject has no such idempotency key");
    return print(*found, in.json);
}

int show(const key_arguments& in) {
    const std::optional<std::string> id = id_of(in);
    if (!id)
        return fail(exit_usage, "give an ID of 64 hexadecimal digits, or --key with its caller");
    int code = 0;
    const std::unique_ptr<open_stores> on = open_all(in, code);
    if (!on) return code;
    const result<std::vector<placed_key>> found = on->bench.run<std::vector<placed_key>>(
        [&] { return look_everywhere(on->all, on->bench.worker().time(), *id, on->soon()); });
    if (found.has_error()) return fail_at_stores(found.error());
    if (found->empty()) return fail(exit_failed, "there is no such idempotency key");
    return print(*found, in.json);
}

// What the operator says the answer was; nullopt, with the reason said, when that is none.
std::optional<keys::outcome> outcome_of(const key_arguments& in, system_time now) {
    keys::outcome out;
    out.status = in.status;
    out.completed = now;
    if (in.status < 200 || in.status > 599) {
        fail(exit_usage, "--status is from 200 to 599");
        return std::nullopt;
    }
    for (const std::string& line : in.fields) {
        const std::size_t colon = line.find(':');
        const std::string name = line.substr(0, colon);
        const std::string value(trim(colon == std::string::npos
                                         ? std::string_view{}
                                         : std::string_view(line).substr(colon + 1)));
        if (colon == std::string::npos || !http::is_token(name) || !http::is_field_value(value)) {
            fail(exit_usage, "'" + line + "' is not a field such as 'Location: /orders/7'");
            return std::nullopt;
        }
        out.header.emplace_back(name, value);
    }
    out.body.emplace();
    if (in.body_file.empty()) return out;
    std::ifstream file(in.body_file, std::ios::binary);
    std::stringstream bytes;
    bytes << file.rdbuf();
    if (!file) {
        fail(exit_usage, in.body_file + " cannot be read");
        return std::nullopt;
    }
    *out.body = bytes.str();
    return out;
}

task<keys::settlement> settle(gateway::store_map in, clock& time, random_source& random,
                              std::string id, std::optional<keys::outcome> found,
                              steady_time deadline) {
    keys::settlement last = keys::settlement::not_found;
    for (const auto& [name, store] : in) {
        const result<keys::settlement> here =
            co_await keys::settle_key(*store, time, random, id, found, deadline);
        if (here.has_error()) co_return here.error();
        if (*here == keys::settlement::settled) co_return *here;
        if (*here == keys::settlement::not_unknown) last = *here;
    }
    co_return last;
}

int resolve(const key_arguments& in) {
    const std::optional<std::string> id = id_of(in);
    if (!id)
        return fail(exit_usage, "give an ID of 64 hexadecimal digits, or --key with its caller");
    if (in.not_done == (in.status != 0))
        return fail(exit_usage, "say --not-done, or what was answered with --status");
    int code = 0;
    const std::unique_ptr<open_stores> on = open_all(in, code);
    if (!on) return code;
    std::optional<keys::outcome> found;
    if (!in.not_done) {
        found = outcome_of(in, on->bench.worker().time().system_now());
        if (!found) return exit_usage;
    }
    const std::unique_ptr<random_source> random = make_secure_random();
    const result<keys::settlement> done = on->bench.run<keys::settlement>([&] {
        return settle(on->all, on->bench.worker().time(), *random, *id, found, on->soon());
    });
    if (done.has_error()) return fail_at_stores(done.error());
    if (*done == keys::settlement::not_found)
        return fail(exit_failed, "there is no such idempotency key");
    if (*done == keys::settlement::not_unknown)
        return fail(exit_failed,
                    "its outcome is not unknown: it is done, free, or still under way");
    std::cout << (in.not_done ? "the key is free: a retry is forwarded\n"
                              : "a retry gets this outcome from now on\n");
    return 0;
}

void add_key_options(CLI::App& command, const std::shared_ptr<key_arguments>& in) {
    command.add_option("id", in->id, "As list shows it");
    command.add_option("--key", in->key, "The key, as the client sent it")->excludes("id");
    command.add_option("--issuer", in->issuer, "With --key: the caller's issuer");
    command.add_option("--subject", in->subject, "With --key: the caller's subject");
    command.add_option("--tenant", in->tenant, "With --key: the route's tenant");
    command.add_option("--method", in->method, "With key_space: operation");
    command.add_option("--path", in->path, "With key_space: operation");
    add_stores_options(command, in);
}

}  // namespace

void add_idempotency_command(CLI::App& app, int& exit_code) {
    CLI::App* command = app.add_subcommand(
        "idempotency", "See idempotency keys, settle an outcome that nobody knows");
    command->require_subcommand(1);
    command->footer(
        "Works on the stores that the configuration's routes use, beside running gateways.\n\n"
        "Examples:\n"
        "  lethe idempotency list --subject u42 --unknown\n"
        "  lethe idempotency show --key 8e03978e-… --issuer https://id.example --subject u42\n"
        "  lethe idempotency resolve ID --not-done\n"
        "  lethe idempotency resolve ID --status 201 --field 'Location: /orders/7' --body "
        "answer.json");
    const auto listed = std::make_shared<key_arguments>();
    CLI::App* list_app = command->add_subcommand("list", "The keys of a subject");
    list_app->add_option("--subject", listed->subject, "Whose")->required();
    list_app->add_flag("--unknown", listed->unknown_only, "Only those with an unknown outcome");
    list_app->add_flag("--json", listed->json, "Answer as JSON on standard output");
    add_stores_options(*list_app, listed);
    list_app->callback([=, &exit_code] { exit_code = list(*listed); });

    const auto shown = std::make_shared<key_arguments>();
    CLI::App* show_app = command->add_subcommand("show", "One key, without what its answer said");
    add_key_options(*show_app, shown);
    show_app->add_flag("--json", shown->json, "Answer as JSON on standard output");
    show_app->callback([=, &exit_code] { exit_code = show(*shown); });

    const auto resolved = std::make_shared<key_arguments>();
    CLI::App* resolve_app =
        command->add_subcommand("resolve", "Say what became of a request whose outcome is unknown");
    add_key_options(*resolve_app, resolved);
    resolve_app->add_flag("--not-done", resolved->not_done,
                          "It was not done and never will be: the key is free");
    resolve_app->add_option("--status", resolved->status, "It was done, and this is its answer");
    resolve_app->add_option("--field", resolved->fields, "A field of the answer; may be repeated");
    resolve_app->add_option("--body", resolved->body_file, "A file with the answer's body")
        ->type_name("FILE");
    resolve_app->callback([=, &exit_code] { exit_code = resolve(*resolved); });
}

}  // namespace lethe::cli
