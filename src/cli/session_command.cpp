#include "cli/session_command.hpp"

#include "base/json.hpp"
#include "base/random.hpp"
#include "cli/all_stores.hpp"
#include "cli/new_file.hpp"
#include "cli/store_place.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace lethe::cli {
namespace {

namespace bj = boost::json;
using gateway::subject_session;

struct session_arguments : stores_arguments {
    std::string subject;
    std::string id;
    bool all = false;
    bool json = false;
};

bj::object to_json(const subject_session& of) {
    return {{"id", of.it.id},
            {"store", of.store},
            {"created", to_utc_text(of.it.created)},
            {"last_seen", to_utc_text(of.it.last_seen)},
            {"expires", to_utc_text(of.it.expires)}};
}

void print_sessions(const std::vector<subject_session>& all) {
    std::cout << fmt::format("{:<64}  {:<20}  {:<20}  {:<20}  {}\n", "ID", "CREATED", "LAST SEEN",
                             "EXPIRES", "STORE");
    for (const subject_session& one : all)
        std::cout << fmt::format("{:<64}  {:<20}  {:<20}  {:<20}  {}\n", one.it.id,
                                 to_utc_text(one.it.created), to_utc_text(one.it.last_seen),
                                 to_utc_text(one.it.expires), one.store);
}

// Those of the subject.
int list(const session_arguments& in) {
    int code = 0;
    const std::unique_ptr<open_stores> on = open_all(in, code);
    if (!on) return code;
    result<std::vector<subject_session>> found = on->bench.run<std::vector<subject_session>>(
        [&] { return gateway::list_sessions(on->all, in.subject, on->soon()); });
    if (found.has_error()) return fail_at_stores(found.error());
    if (in.json) {
        bj::array all;
        for (const subject_session& one : *found) all.push_back(to_json(one));
        std::cout << json::to_text(all) << '\n';
    } else if (!found->empty()) {
        print_sessions(*found);
    }
    if (!found->empty() || in.json) return 0;
    return fail(exit_failed, "this subject has no session");
}

bj::object to_json(const gateway::subject_session_shown& of) {
    bj::object out = to_json(subject_session{of.store, of.it.it});
    out["sealed_with"] = of.it.key_id.empty() ? "cookie" : "key " + of.it.key_id;
    out["opened"] = of.it.data.has_value();
    if (!of.it.data) return out;
    const session::state& data = *of.it.data;
    out["version"] = data.version;
    out["written"] = to_utc_text(data.written);
    out["absolute_expiry"] = to_utc_text(data.absolute_expiry);
    bj::object slots;
    for (const session::slot& one : data.slots) {
        if (one.json.empty()) continue;
        result<bj::value> value = json::parse(one.json, {.depth_max = 64});
        slots[one.name] = value.has_value() ? *std::move(value) : bj::value(one.json);
    }
    out["slots"] = std::move(slots);
    return out;
}

// Why it stays closed; "" when it is open.
std::string why_closed(const session::shown_session& of) {
    if (of.data) return {};
    if (of.key_id.empty())
        return "what it holds is sealed with the secret in its cookie (encryption: ticket): nobody "
               "else can open it";
    return "what it holds is sealed with the key " + of.key_id +
           ", which is not in this configuration's sessions.keys";
}

int show(const session_arguments& in) {
    int code = 0;
    const std::unique_ptr<open_stores> on = open_all(in, code);
    if (!on) return code;
    const session::loaded_keyring keys =
        session::load_keyring(on->sessions.keys, on->sessions.retired_keys);
    if (!keys.problem.empty()) return fail(exit_usage, keys.problem);
    using found_session = std::optional<gateway::subject_session_shown>;
    const result<found_session> found = on->bench.run<found_session>(
        [&] { return gateway::show_session(on->all, in.subject, in.id, keys.ring, on->soon()); });
    if (found.has_error()) return fail_at_stores(found.error());
    if (!*found) return fail(exit_failed, "this subject has no such session");
    const std::string closed = why_closed((*found)->it);
    if (in.json) {
        std::cout << json::to_text(to_json(**found)) << '\n';
        return 0;
    }
    print_sessions({subject_session{(*found)->store, (*found)->it.it}});
    if (!closed.empty()) {
        std::cout << closed << '\n';
        return 0;
    }
    const session::state& data = *(*found)->it.data;
    std::cout << fmt::format("sealed with the key {}; version {}; ends at {} in any case\n",
                             (*found)->it.key_id, data.version, to_utc_text(data.absolute_expiry));
    for (const session::slot& one : data.slots)
        if (!one.json.empty()) std::cout << fmt::format("{}  {}\n", one.name, one.json);
    return 0;
}

// A new key on standard output, or in a new file.
int make_key(const std::string& path) {
    const auto random = make_secure_random();
    const std::string text = session::make_key_text(*random) + '\n';
    if (path.empty()) {
        std::cout << text;
        return 0;
    }
    const std::string problem = write_new_file(path, text);
    if (!problem.empty()) return fail(exit_failed, problem);
    std::cout << "made " << path << '\n';
    return 0;
}

// The subject's sessions in cookies; false, with `code` set, when a store could not be asked.
bool revoke_cookies(open_stores& on, const std::string& subject, int& code) {
    if (on.sessions.mode != session::session_mode::sealed) return true;
    const result<> done = on.bench.run<void>([&] {
        return gateway::revoke_cookies(on.all, on.bench.worker().time(), subject,
                                       on.sessions.absolute_ttl, on.soon());
    });
    if (done.has_error()) code = fail_at_stores(done.error());
    return done.has_value();
}

int end(const session_arguments& in) {
    if (in.id.empty() == !in.all) return fail(exit_usage, "end needs an ID, or --all");
    int code = 0;
    const std::unique_ptr<open_stores> on = open_all(in, code);
    if (!on) return code;
    std::size_t ended = 0;
    if (in.all) {
        if (!revoke_cookies(*on, in.subject, code)) return code;
        const result<std::size_t> done = on->bench.run<std::size_t>(
            [&] { return gateway::end_sessions(on->all, in.subject, on->soon()); });
        if (done.has_error()) return fail_at_stores(done.error());
        ended = *done;
    } else {
        const result<session::ending> done = on->bench.run<session::ending>(
            [&] { return gateway::end_session(on->all, in.subject, in.id, on->soon()); });
        if (done.has_error()) return fail_at_stores(done.error());
        if (*done == session::ending::not_found)
            return fail(exit_failed, "this subject has no such session");
        ended = 1;
    }
    if (in.json)
        std::cout << json::to_text(bj::object{{"ended", ended}}) << '\n';
    else
        std::cout << fmt::format("{} session{} ended\n", ended, ended == 1 ? "" : "s");
    return 0;
}

int erase(const session_arguments& in) {
    int code = 0;
    const std::unique_ptr<open_stores> on = open_all(in, code);
    if (!on) return code;
    if (!revoke_cookies(*on, in.subject, code)) return code;
    const result<gateway::erasure> done = on->bench.run<gateway::erasure>([&] {
        return gateway::erase_subject(on->all, on->bench.worker().time(), in.subject, on->soon());
    });
    if (done.has_error()) return fail_at_stores(done.error());
    if (in.json) {
        bj::array stores;
        for (const std::string& name : done->stores) stores.emplace_back(name);
        std::cout << json::to_text(bj::object{{"sessions", done->sessions},
                                              {"idempotency", done->idempotency},
                                              {"other", done->other},
                                              {"stores", std::move(stores)}})
                  << '\n';
    } else {
        std::cout << fmt::format(
            "sessions ended {}, idempotency keys without their answers {}, other records erased "
            "{}; in {}\n",
            done->sessions, done->idempotency, done->other, fmt::join(done->stores, ", "));
    }
    return 0;
}

CLI::App* add(CLI::App& to, const char* name, const char* what,
              const std::shared_ptr<session_arguments>& in) {
    CLI::App* command = to.add_subcommand(name, what);
    command->add_option("--subject", in->subject, "Whose sessions, as the service bound them")
        ->type_name("S")
        ->required();
    add_stores_options(*command, in);
    command->add_flag("--json", in->json, "Answer as JSON on standard output");
    return command;
}

}  // namespace

void add_session_command(CLI::App& app, int& exit_code) {
    CLI::App* command =
        app.add_subcommand("session", "See and end a person's sessions, forget a person; keys");
    command->require_subcommand(1);
    command->footer(
        "Works on the stores that the configuration's routes use, beside running gateways.\n\n"
        "Examples:\n"
        "  lethe session list --subject u42\n"
        "  lethe session end --subject u42 --all\n"
        "  lethe session erase --subject u42 --json    # a receipt\n"
        "  lethe session key k1.key                    # for sessions.keys");
    const auto listed = std::make_shared<session_arguments>();
    add(*command, "list", "The live sessions of a subject", listed)->callback([=, &exit_code] {
        exit_code = list(*listed);
    });
    const auto shown = std::make_shared<session_arguments>();
    CLI::App* one =
        add(*command, "show", "One of them, with what it holds where sessions.keys open it", shown);
    one->add_option("id", shown->id, "As list shows it")->required();
    one->callback([=, &exit_code] { exit_code = show(*shown); });
    const auto ended = std::make_shared<session_arguments>();
    CLI::App* ending = add(*command, "end", "End one or all of them", ended);
    ending->add_option("id", ended->id, "As list shows it");
    ending->add_flag("--all", ended->all, "All of the subject's");
    ending->callback([=, &exit_code] { exit_code = end(*ended); });
    const auto erased = std::make_shared<session_arguments>();
    add(*command, "erase", "End the sessions and erase what is kept about the person", erased)
        ->callback([=, &exit_code] { exit_code = erase(*erased); });
    const auto path = std::make_shared<std::string>();
    CLI::App* key = command->add_subcommand("key", "Make a key for sessions.keys (a secret!)");
    key->add_option("file", *path, "A new file, readable by its owner alone; else it is printed");
    key->callback([=, &exit_code] { exit_code = make_key(*path); });
}

}  // namespace lethe::cli
