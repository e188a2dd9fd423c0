#include "cli/store_copy.hpp"

#include "base/json.hpp"
#include "cli/interrupt.hpp"
#include "cli/progress.hpp"
#include "cli/store_place.hpp"
#include "gateway/tools/records.hpp"
#include "store/open.hpp"
#include "store/tools/copy.hpp"
#include "store/tools/copy_file.hpp"
#include "store/tools/count.hpp"
#include "store/tools/verify.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <filesystem>
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

struct pair_arguments : place_arguments {
    std::string from;
    std::string to;
    bool json = false;
};

struct copy_arguments : pair_arguments {
    bool move = false;
    bool no_verify = false;
    std::string state;
    std::size_t batches = 8;
};

// Two stores, open. `through` is the pair of both, where records are moved.
struct two_stores {
    tools::workbench bench;
    store_place from;
    store_place to;
    st::store* a = nullptr;
    st::store* b = nullptr;
    st::store* through = nullptr;

    [[nodiscard]] tools::patience patient() {
        return {.time = bench.worker().time(), .stopped = interrupted};
    }
};

int find_both(const pair_arguments& in, two_stores& out) {
    if (in.from.empty() != in.to.empty())
        return fail(exit_usage, "give both --from and --to, or neither");
    if (in.from.empty()) {
        const result<store_place> pair = find_place(in.name, in.file);
        if (pair.has_error()) return exit_usage;
        if (pair->previous.empty())
            return fail(
                exit_usage,
                fmt::format("the store {} of {} does not move from another one: give --from "
                            "and --to, or {{primary: …, previous: …}} in the configuration",
                            in.name, in.file));
        out.from = {pair->previous, "", in.name + ", the previous one"};
        out.to = {pair->url, "", in.name};
        return 0;
    }
    const result<store_place> from = find_place(in.from, in.file);
    if (from.has_error()) return exit_usage;
    const result<store_place> to = find_place(in.to, in.file);
    if (to.has_error()) return exit_usage;
    out.from = {from->url, "", from->name == "store" ? "the first store" : from->name};
    out.to = {to->url, "", to->name == "store" ? "the second store" : to->name};
    if (out.from.url == out.to.url) return fail(exit_usage, "both are the same store");
    return 0;
}

int open_both(two_stores& on, must_exist second, bool moving) {
    const result<st::store*> a = open_place(on.bench, on.from, must_exist::yes);
    if (a.has_error()) return exit_failed;
    on.a = *a;
    if (!on.a->promises().scans)
        return fail(exit_failed, on.from.shown() +
                                     " cannot list its keys: nothing can be copied from it. With "
                                     "{primary: …, previous: …} in the configuration records move "
                                     "when they are used; wait until the longest has expired");
    const result<st::store*> b = open_place(on.bench, on.to, second);
    if (b.has_error()) return exit_failed;
    on.b = *b;
    if (!moving) return 0;
    const result<st::store*> through =
        open_place(on.bench, {on.to.url, on.from.url, "both"}, must_exist::no);
    if (through.has_error()) return exit_failed;
    on.through = *through;
    return 0;
}

// --- lethe store verify

bj::object to_json(const tools::comparison& of) {
    bj::array first;
    for (const tools::difference& one : of.first)
        first.push_back(bj::object{{"key", shown_key(one.key)}, {"what", to_text(one.how)}});
    return {{"equal", of.differing == 0 && of.unreadable == 0 && of.complete},
            {"looked_at", of.looked_at},
            {"same", of.equal},
            {"newer", of.newer},
            {"gone_meanwhile", of.gone},
            {"unreadable", of.unreadable},
            {"differing", of.differing},
            {"differences", std::move(first)}};
}

void print_comparison(const tools::comparison& of) {
    for (const tools::difference& one : of.first)
        std::cout << fmt::format("{} {}\n", shown_key(one.key), to_text(one.how));
    if (of.differing > of.first.size())
        std::cout << fmt::format("… and {} more\n", with_commas(of.differing - of.first.size()));
    std::cout << fmt::format(
        "verified: {} of the first store, {} equal, {} newer in the second, "
        "{} gone meanwhile, {} differing",
        count_of(of.looked_at, "record"), with_commas(of.equal), with_commas(of.newer),
        with_commas(of.gone), with_commas(of.differing));
    if (of.unreadable > 0) std::cout << fmt::format(", {} unreadable", with_commas(of.unreadable));
    std::cout << '\n';
}

// `failed_at` is set where the answer is an error.
result<tools::comparison> verify_both(two_stores& on) {
    progress bar(on.bench.worker().time(), "records verified", 0);
    return on.bench.run<tools::comparison>([&] {
        return tools::verify({.from = *on.a,
                              .to = *on.b,
                              .with = on.patient(),
                              .page_done = [&](const tools::comparison& now) {
                                  bar.show(now.looked_at);
                                  return !interrupted();
                              }});
    });
}

// Which of the two it was cannot be told from an error.
int fail_both(const two_stores& on, const error_code& error) {
    return fail(exit_failed, fmt::format("{} or {}: {}; are both up, and are hosts, ports and "
                                         "passwords right?",
                                         on.from.shown(), on.to.shown(), error.message()));
}

int judge(const tools::comparison& of) {
    if (!of.complete) return exit_interrupted;
    return of.differing == 0 && of.unreadable == 0 ? 0 : exit_failed;
}

int verify(const pair_arguments& in) {
    two_stores on;
    if (const int wrong = find_both(in, on)) return wrong;
    if (const int wrong = open_both(on, must_exist::yes, false)) return wrong;
    catch_interrupts();
    const result<tools::comparison> done = verify_both(on);
    if (done.has_error()) return fail_both(on, done.error());
    if (in.json)
        std::cout << json::to_text(to_json(*done)) << '\n';
    else
        print_comparison(*done);
    return judge(*done);
}

// --- lethe store copy

// The keys of A, for the progress; 0 when they cannot be counted now.
result<std::uint64_t> count_keys(two_stores& on) {
    progress bar(on.bench.worker().time(), "records counted", 0);
    const auto all = on.bench.run<tools::census>([&] {
        return tools::count({.of = *on.a,
                             .with = on.patient(),
                             .kind_of = [](std::string_view) { return std::string(); },
                             .page_done =
                                 [&](const tools::census& now) {
                                     bar.show(now.total);
                                     return !interrupted();
                                 }});
    });
    if (all.has_error()) return all.error();
    return all->total;
}

struct copy_run {
    const copy_arguments& in;
    two_stores& on;
    bool moving = false;
    std::string file = {};  // of the state
    std::string id = {};
    tools::copy_state state = {};
    std::vector<tools::copy_problem> problems = {};
    std::string why_not_saved = {};
};

// As many records under way either way; but a batch moves one record after the other.
tools::copy_options options_of(const copy_run& run) {
    if (run.moving) return {.batch_keys = 4, .batches_max = run.in.batches * 8};
    return {.batches_max = run.in.batches};
}

result<> copy_pages(copy_run& run) {
    progress bar(run.on.bench.worker().time(), run.moving ? "moved" : "copied", run.state.total);
    const auto page_done = [&](const tools::copy_state& now) {
        bar.show(now.looked_at);
        const result<> saved = save_copy(run.file, run.id, now, run.why_not_saved);
        return saved.has_error() || interrupted() ? tools::go_on::no : tools::go_on::yes;
    };
    auto done = run.on.bench.run<std::vector<tools::copy_problem>>([&] {
        return tools::copy({.on = run.on.bench.worker(),
                            .from = *run.on.a,
                            .to = run.moving ? *run.on.through : *run.on.b,
                            .moving = run.moving,
                            .options = options_of(run),
                            .with = run.on.patient(),
                            .page_done = page_done},
                           run.state);
    });
    if (done.has_error()) return done.error();
    run.problems = *std::move(done);
    return {};
}

bj::object to_json(const copy_run& run) {
    bj::array problems;
    for (const tools::copy_problem& one : run.problems)
        problems.push_back(bj::object{{"key", shown_key(one.key)}, {"what", one.what}});
    const tools::copy_state& of = run.state;
    return {{"complete", of.complete},
            {"looked_at", of.looked_at},
            {run.moving ? "moved" : "copied", of.copied},
            {"present", of.present},
            {"gone_meanwhile", of.gone},
            {"refused", of.refused},
            {"problems", std::move(problems)}};
}

void print_copied(const copy_run& run) {
    const tools::copy_state& of = run.state;
    for (const tools::copy_problem& one : run.problems)
        std::cout << fmt::format("{} is left out: {}\n", shown_key(one.key), one.what);
    std::cout << fmt::format("{}: {}, {} there before, {} gone meanwhile",
                             run.moving ? "moved" : "copied", count_of(of.copied, "record"),
                             with_commas(of.present), with_commas(of.gone));
    if (of.refused > 0) std::cout << fmt::format(", {} left out", with_commas(of.refused));
    std::cout << '\n';
}

int stopped(const copy_run& run) {
    return fail(exit_interrupted,
                fmt::format("stopped after {}; the same command goes on from there ({})",
                            count_of(run.state.looked_at, "record"), run.file));
}

// What a run that failed or was stopped leaves is its state file.
int make_copy(copy_run& run) {
    auto known = tools::load_copy(run.file, run.id, run.why_not_saved);
    if (known.has_error()) return fail(exit_failed, run.why_not_saved);
    if (*known) {
        run.state = **known;
        std::cerr << fmt::format("going on after {} ({})\n",
                                 count_of(run.state.looked_at, "record"), run.file);
    } else {
        const result<std::uint64_t> total = count_keys(run.on);
        if (total.has_error()) return fail(exit_failed, why_failed(run.on.from, total.error()));
        if (interrupted()) return stopped(run);
        run.state.total = *total;
    }
    if (run.state.complete) return 0;
    const result<> done = copy_pages(run);
    if (done.has_error()) {
        std::cerr << fmt::format("lethe: after {}; the same command goes on from there\n",
                                 count_of(run.state.looked_at, "record"));
        return fail_both(run.on, done.error());
    }
    if (!run.why_not_saved.empty()) return fail(exit_failed, run.why_not_saved);
    return run.state.complete ? 0 : stopped(run);
}

void remove_state(const copy_run& run) {
    std::error_code ignored;
    std::filesystem::remove(run.file, ignored);
}

int copy(const copy_arguments& in) {
    two_stores on;
    if (const int wrong = find_both(in, on)) return wrong;
    // Gateways that run with the configuration's pair move, too.
    const bool moving = in.move || in.from.empty();
    if (const int wrong = open_both(on, must_exist::no, moving)) return wrong;
    catch_interrupts();
    copy_run run{
        .in = in, .on = on, .moving = moving, .id = tools::copy_id(on.from.url, on.to.url, moving)};
    run.file = in.state.empty() ? fmt::format("lethe-copy-{}.json", run.id.substr(0, 8)) : in.state;
    if (const int wrong = make_copy(run)) return wrong;
    std::optional<tools::comparison> compared;
    if (!in.json) print_copied(run);
    if (!in.no_verify) {
        const result<tools::comparison> done = verify_both(on);
        if (done.has_error()) return fail_both(on, done.error());
        compared = *done;
    }
    if (compared && !compared->complete) return stopped(run);
    // Done, or to be done anew.
    remove_state(run);
    if (compared && !in.json) print_comparison(*compared);
    if (in.json) {
        bj::object out = to_json(run);
        if (compared) out["verified"] = to_json(*compared);
        std::cout << json::to_text(out) << '\n';
    }
    const int verdict = compared ? judge(*compared) : 0;
    return run.state.refused > 0 ? exit_failed : verdict;
}

void add_pair_options(CLI::App& command, const std::shared_ptr<pair_arguments>& to) {
    add_configuration_options(command, to);
    command
        .add_option("--from", to->from, "The first store: a URL, or a name in the configuration")
        ->type_name("A");
    command.add_option("--to", to->to, "The second one")->type_name("B");
    command.add_flag("--json", to->json, "Answer as JSON");
}

constexpr const char* pair_help =
    "The stores are names in the configuration, or URLs; without --from and --to they are the\n"
    "configuration's {primary: B, previous: A}. Prefer names: who lists the processes of this\n"
    "machine sees a password in a URL.";

}  // namespace

void add_copy_command(CLI::App& store, int& exit_code) {
    auto in = std::make_shared<copy_arguments>();
    CLI::App* command =
        store.add_subcommand("copy", "Copy what one store holds into another, then verify it");
    add_pair_options(*command, in);
    command->add_flag("--move", in->move,
                      "Beside gateways that run with {primary: B, previous: A}: move each record "
                      "as they do, so that nothing that was erased comes back (implied without "
                      "--from and --to)");
    command
        ->add_option("--state", in->state,
                     "Where an interrupted copy notes how far it came (default: a file in the "
                     "current folder)")
        ->type_name("FILE");
    command->add_flag("--no-verify", in->no_verify, "Leave out the comparison afterwards");
    command->add_option("--batches", in->batches, "Batches of 32 records under way at a time")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    command->footer(
        std::string(pair_help) +
        "\n\nWithout --move no gateway may write to either store meanwhile. What B holds is never\n"
        "overwritten; a move empties A, a copy leaves it as it is. Interrupted at any point, even "
        "by kill -9, the same command goes on where it\n"
        "was. Exit code 1: failed, or B lacks something; 130: interrupted.\n\n"
        "Examples:\n"
        "  lethe store copy -c lethe.yaml\n"
        "  lethe store copy --from sqlite:lethe.db --to redis://127.0.0.1:6379/0\n"
        "  lethe store copy -c lethe.yaml --from default --to archive");
    command->callback([in, &exit_code] { exit_code = copy(*in); });
}

void add_verify_command(CLI::App& store, int& exit_code) {
    auto in = std::make_shared<pair_arguments>();
    CLI::App* command = store.add_subcommand(
        "verify", "Compare: is each live record of one store in another, equal or newer?");
    add_pair_options(*command, in);
    command->footer(std::string(pair_help) +
                    "\n\nA record of B is newer when it lives longer. Exit code 1: something "
                    "differs; it is listed.\n\n"
                    "Examples:\n"
                    "  lethe store verify -c lethe.yaml\n"
                    "  lethe store verify --from sqlite:lethe.db --to redis://127.0.0.1:6379/0");
    command->callback([in, &exit_code] { exit_code = verify(*in); });
}

}  // namespace lethe::cli
