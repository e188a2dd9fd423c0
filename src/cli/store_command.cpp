#include "cli/store_command.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "cli/interrupt.hpp"
#include "cli/progress.hpp"
#include "cli/store_copy.hpp"
#include "cli/store_place.hpp"
#include "gateway/tools/records.hpp"
#include "store/tools/count.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lethe::cli {
namespace {

namespace bj = boost::json;
namespace st = lethe::store;
namespace tools = lethe::store::tools;
using gateway::tools::shown_key;

constexpr std::chrono::seconds answer_time_max{10};

// A store that a command works on, open.
struct opened_store {
    tools::workbench bench;
    store_place at;
    st::store* it = nullptr;

    [[nodiscard]] tools::patience patient() {
        return {.time = bench.worker().time(), .stopped = interrupted};
    }
    [[nodiscard]] steady_time soon() {
        return bench.worker().time().steady_now() + answer_time_max;
    }
};

// Null, with `code` set and the reason said, when it cannot be opened.
std::unique_ptr<opened_store> open_store(const place_arguments& from, must_exist exists,
                                         int& code) {
    auto out = std::make_unique<opened_store>();
    result<store_place> found = find_place(from);
    code = exit_usage;
    if (found.has_error()) return nullptr;
    out->at = *std::move(found);
    code = exit_failed;
    const result<st::store*> opened = open_place(out->bench, out->at, exists);
    if (opened.has_error()) return nullptr;
    out->it = *opened;
    return out;
}

int cannot_list(const store_place& at) {
    return fail(exit_failed, at.shown() + " cannot list its keys, so this is not possible with it");
}

// --- lethe store inspect

struct inspect_arguments : place_arguments {
    std::string key;
    bool hex = false;
    std::optional<std::string> subject;
    std::string prefix;
    bool value = false;
    bool json = false;
};

struct found_record {
    std::string key;
    st::record what;
};

bj::object to_json(const found_record& of, const inspect_arguments& in, system_time now) {
    const auto left = std::chrono::floor<std::chrono::seconds>(of.what.expires - now);
    bj::object out{{"key", shown_key(of.key)},          {"kind", gateway::tools::kind_of(of.key)},
                   {"version", of.what.version.number}, {"expires", to_utc_text(of.what.expires)},
                   {"seconds_left", left.count()},      {"bytes", of.what.value.size()}};
    // Who asked by subject knows it; from a key alone nobody learns whose it is.
    if (in.subject)
        out["subject"] = *in.subject;
    else if (!of.what.subject.empty())
        out["subject_sha256"] = to_hex(sha256(of.what.subject));
    if (in.value) out["value"] = gateway::tools::decoded_value(of.key, of.what.value);
    return out;
}

// Text without its quotes, everything else as JSON.
std::string plain(const bj::value& value) {
    return value.is_string() ? std::string(value.get_string()) : json::to_text(value);
}

void print_members(const bj::object& members, std::size_t indent) {
    std::size_t width = 0;
    for (const auto& one : members) width = std::max(width, one.key().size());
    for (const auto& one : members) {
        const std::string name(one.key());
        if (one.value().is_object()) {
            std::cout << fmt::format("{:{}}{}\n", "", indent, name);
            print_members(one.value().get_object(), indent + 2);
            continue;
        }
        std::cout << fmt::format("{:{}}{:<{}}  {}\n", "", indent, name, width, plain(one.value()));
    }
}

task<std::vector<found_record>> read_keys(st::store& from, std::vector<std::string> keys,
                                          steady_time deadline) {
    std::vector<found_record> out;
    for (std::string& key : keys) {
        result<std::optional<st::record>> got = co_await from.read(key, deadline);
        if (got.has_error()) co_return got.error();
        if (*got) out.push_back({std::move(key), std::move(**got)});
    }
    co_return out;
}

task<std::vector<found_record>> read_subject(st::store& from, std::string subject,
                                             std::string prefix, tools::patience with) {
    std::vector<found_record> out;
    st::subject_page page{.keys = {}, .more = true};
    while (page.more && !with.is_stopped()) {
        const std::string after = page.keys.empty() ? "" : page.keys.back();
        result<st::subject_page> next = co_await from.list_subject(
            subject, prefix, after, 100, with.time.steady_now() + answer_time_max);
        if (next.has_error()) co_return next.error();
        page = *std::move(next);
        auto records =
            co_await read_keys(from, page.keys, with.time.steady_now() + answer_time_max);
        if (records.has_error()) co_return records.error();
        std::move(records->begin(), records->end(), std::back_inserter(out));
    }
    co_return out;
}

// What is asked for; nullopt for a key that cannot be one.
std::optional<std::string> wanted_key(const inspect_arguments& in) {
    if (!in.hex) return gateway::tools::parse_key(in.key);
    const result<std::string> bytes = from_hex(in.key);
    if (bytes.has_error() || bytes->empty()) return std::nullopt;
    return *bytes;
}

void print_records(const std::vector<found_record>& all, const inspect_arguments& in,
                   system_time now) {
    if (in.json) {
        bj::array out;
        for (const found_record& one : all) out.push_back(to_json(one, in, now));
        std::cout << json::to_text(in.subject ? bj::value(std::move(out)) : out.front()) << '\n';
        return;
    }
    bool first = true;
    for (const found_record& one : all) {
        if (!std::exchange(first, false)) std::cout << '\n';
        print_members(to_json(one, in, now), 0);
    }
}

int inspect(const inspect_arguments& in) {
    if (in.key.empty() == !in.subject.has_value())
        return fail(exit_usage, "inspect needs a KEY, or --subject S");
    std::optional<std::string> key;
    if (!in.subject && !(key = wanted_key(in)))
        return fail(exit_usage, "that is not a key: give hexadecimal digits behind --hex or 0x");
    int code = 0;
    const std::unique_ptr<opened_store> on = open_store(in, must_exist::yes, code);
    if (!on) return code;
    result<std::vector<found_record>> found = on->bench.run<std::vector<found_record>>([&] {
        return key ? read_keys(*on->it, {*key}, on->soon())
                   : read_subject(*on->it, *in.subject, in.prefix, on->patient());
    });
    if (found.has_error()) return fail(exit_failed, why_failed(on->at, found.error()));
    if (!found->empty()) {
        print_records(*found, in, on->bench.worker().time().system_now());
        return 0;
    }
    if (in.json && in.subject) std::cout << "[]\n";
    if (in.json && !in.subject) std::cout << "null\n";
    return fail(exit_failed, in.subject ? "there is no record of this subject in " + on->at.shown()
                                        : "there is no such record in " + on->at.shown());
}

void add_inspect(CLI::App& store, int& exit_code) {
    auto in = std::make_shared<inspect_arguments>();
    CLI::App* command =
        store.add_subcommand("inspect", "Show what is known about a record, or a subject's");
    add_place_options(*command, in);
    command->add_option("key", in->key, "As lethe shows it, as text, or 0x and hexadecimal digits")
        ->type_name("KEY");
    command->add_flag("--hex", in->hex, "KEY is nothing but hexadecimal digits");
    command->add_option("--subject", in->subject, "All records of this subject")->type_name("S");
    command->add_option("--prefix", in->prefix, "Of those, the ones whose key begins so: s:, i:")
        ->type_name("P");
    command->add_flag("--value", in->value, "Also what the value says, without what is secret");
    command->add_flag("--json", in->json, "Answer as JSON");
    command->footer(
        std::string(place_help) +
        "\nWhat a session holds is sealed with its cookie, and an outcome's body is "
        "its caller's: neither\nis shown. Exit code 1: there is none.\n\n"
        "Examples:\n"
        "  lethe store inspect --subject alice\n"
        "  lethe store inspect --value i:5f70bf18a086007016e948b04aed3b82103a36bea41755b"
        "6cddfaf10ace3c6ef");
    command->callback([in, &exit_code] { exit_code = inspect(*in); });
}

// --- lethe store count

struct plain_arguments : place_arguments {
    bool json = false;
};

void print_census(const tools::census& of, bool as_json) {
    if (as_json) {
        bj::object kinds;
        for (const auto& [kind, count] : of.kinds) kinds[kind] = count;
        std::cout << json::to_text(bj::object{{"total", of.total}, {"kinds", std::move(kinds)}})
                  << '\n';
        return;
    }
    const auto line = [](const std::string& kind, std::uint64_t count) {
        std::cout << fmt::format("{:<22}{:>14}\n", kind, with_commas(count));
    };
    for (const auto& [kind, count] : of.kinds) line(kind, count);
    line("total", of.total);
}

int count(const plain_arguments& in) {
    int code = 0;
    const std::unique_ptr<opened_store> on = open_store(in, must_exist::yes, code);
    if (!on) return code;
    if (!on->it->promises().scans) return cannot_list(on->at);
    catch_interrupts();
    auto counted = [&] {
        progress bar(on->bench.worker().time(), "records counted", 0);
        return on->bench.run<tools::census>([&] {
            return tools::count({.of = *on->it,
                                 .with = on->patient(),
                                 .kind_of = gateway::tools::kind_of,
                                 .page_done = [&](const tools::census& now) {
                                     bar.show(now.total);
                                     return !interrupted();
                                 }});
        });
    }();
    if (counted.has_error()) return fail(exit_failed, why_failed(on->at, counted.error()));
    if (!counted->complete) return exit_interrupted;
    print_census(*counted, in.json);
    return 0;
}

// --- lethe store migrate

int migrate(const plain_arguments& in) {
    int code = 0;
    const std::unique_ptr<opened_store> on = open_store(in, must_exist::no, code);
    if (!on) return code;
    const result<st::migration> done =
        on->bench.run<st::migration>([&] { return on->it->migrate(on->soon()); });
    if (done.has_error()) return fail(exit_failed, why_failed(on->at, done.error()));
    if (in.json) {
        std::cout << json::to_text(bj::object{{"from", done->from}, {"to", done->to}}) << '\n';
        return 0;
    }
    std::string what = fmt::format("brought from version {} to {}", done->from, done->to);
    if (done->from == 0) what = fmt::format("made, version {}", done->to);
    if (done->from == done->to) what = fmt::format("is at version {} already", done->to);
    if (done->to == 0) what = "needs none";
    std::cout << fmt::format("{}: the schema {}\n", on->at.shown(), what);
    return 0;
}

// --- lethe store purge

int purge(const plain_arguments& in) {
    int code = 0;
    const std::unique_ptr<opened_store> on = open_store(in, must_exist::yes, code);
    if (!on) return code;
    catch_interrupts();
    const auto removed = [&] {
        progress bar(on->bench.worker().time(), "expired records removed", 0);
        return on->bench.run<std::uint64_t>([&] {
            return tools::purge(
                {.of = *on->it, .with = on->patient(), .step_done = [&](std::uint64_t so_far) {
                     bar.show(so_far);
                     return !interrupted();
                 }});
        });
    }();
    if (removed.has_error()) return fail(exit_failed, why_failed(on->at, removed.error()));
    if (in.json)
        std::cout << json::to_text(bj::object{{"removed", *removed}}) << '\n';
    else
        std::cout << fmt::format("{}: {} removed\n", on->at.shown(),
                                 count_of(*removed, "expired record"));
    return interrupted() ? exit_interrupted : 0;
}

CLI::App* add_plain(CLI::App& store, const char* name, const char* about,
                    int (*run)(const plain_arguments&), int& exit_code) {
    auto in = std::make_shared<plain_arguments>();
    CLI::App* command = store.add_subcommand(name, about);
    add_place_options(*command, in);
    command->add_flag("--json", in->json, "Answer as JSON");
    command->callback([in, run, &exit_code] { exit_code = run(*in); });
    return command;
}

}  // namespace

void add_store_command(CLI::App& app, int& exit_code) {
    CLI::App* store =
        app.add_subcommand("store", "Look into a store, count it, move it, clean it up");
    store->require_subcommand(1);
    store->footer(std::string(place_help) +
                  "\n\nExamples:\n"
                  "  lethe store count -c lethe.yaml\n"
                  "  lethe store inspect -c lethe.yaml --subject alice\n"
                  "  lethe store copy -c lethe.yaml\n\n"
                  "Ends with 0 when done, 1 when not possible, not found or not equal, 2 when used "
                  "wrongly.");
    add_inspect(*store, exit_code);
    add_plain(*store, "count", "Count the live records by kind", count, exit_code)
        ->footer(std::string(place_help) + "\n\nExamples:\n  lethe store count --json");
    add_plain(*store, "migrate", "Bring the store's schema to what this lethe needs", migrate,
              exit_code)
        ->footer(
            std::string(place_help) +
            "\nlethe serve does it by itself; this is for those who let only one person change "
            "a schema.\nSafe beside running gateways.\n\n"
            "Examples:\n  lethe store migrate -c lethe.yaml");
    add_copy_command(*store, exit_code);
    add_verify_command(*store, exit_code);
    CLI::App* purge_app = add_plain(*store, "purge", "Remove what has expired and still takes room",
                                    purge, exit_code);
    purge_app->add_flag_function(
                 "--expired", [](std::int64_t) {}, "What has expired: nothing else")
        ->required();
    purge_app->footer(std::string(place_help) +
                      "\nStores do it by themselves, a little at a time; nothing that lives is "
                      "touched.\n\nExamples:\n  lethe store purge --expired -c lethe.yaml");
}

}  // namespace lethe::cli
