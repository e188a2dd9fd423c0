#include "cli/serve_command.hpp"

#include "base/log.hpp"
#include "cli/upgrade.hpp"
#include "gateway/config/load.hpp"
#include "gateway/gateway.hpp"
#include "net/service_manager.hpp"

#include <CLI/CLI.hpp>

#include <csignal>
#include <ctime>
#include <iostream>
#include <string>

namespace lethe::cli {
namespace {

namespace config = gateway::config;

// Signals are taken by the main thread alone, where nothing else runs: workers never see one.
sigset_t block_signals() {
    sigset_t wanted;
    sigemptyset(&wanted);
    for (const int one : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) sigaddset(&wanted, one);
    pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    return wanted;
}

// A second SIGTERM or SIGINT while draining: the operator does not want to wait.
bool asked_to_hurry() {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    const timespec at_once{};
    return sigtimedwait(&wanted, nullptr, &at_once) > 0;
}

void print_mistakes(const std::vector<config::mistake>& mistakes) {
    for (const config::mistake& one : mistakes) std::cerr << "lethe: " << to_text(one) << '\n';
}

void reload(gateway::gateway& running, const std::string& file) {
    std::vector<config::mistake> mistakes;
    result<config::configuration> fresh = config::load_config(file, mistakes);
    if (fresh.has_error()) {
        for (const config::mistake& one : mistakes)
            log::error("gateway.reload_mistake", {{"mistake", to_text(one)}});
        log::error("gateway.reload_refused", {{"file", file}, {"mistakes", mistakes.size()}});
        return;
    }
    for (const std::string& option : config::changes_needing_restart(running.config(), *fresh))
        log::warn("gateway.reload_needs_restart", {{"option", option}});
    std::string why;
    const result<> done = running.reload(*std::move(fresh), why);
    if (done.has_error())
        log::error("gateway.reload_refused", {{"file", file}, {"why", why}});
    else
        log::info("gateway.reloaded", {{"file", file}});
}

void log_to(const config::log_options& wanted) {
    log::start({.events = 2, .access = wanted.access == config::access_log::stderr_stream ? 2 : 1},
               wanted.level);
}

int serve(const std::string& file) {
    std::vector<config::mistake> mistakes;
    result<config::configuration> loaded = config::load_config(file, mistakes);
    if (loaded.has_error()) {
        print_mistakes(mistakes);
        std::cerr << "lethe: " << file << " has " << mistakes.size()
                  << (mistakes.size() == 1 ? " mistake" : " mistakes")
                  << "; nothing was started.\n";
        return 1;
    }
    const sigset_t signals = block_signals();
    log_to(loaded->log);
    std::string why;
    result<std::unique_ptr<gateway::gateway>> started =
        gateway::gateway::start(*std::move(loaded), why);
    if (started.has_error()) {
        log::stop();
        std::cerr << "lethe: " << why << '\n';
        return 1;
    }
    std::unique_ptr<gateway::gateway> running = *std::move(started);
    for (const net::address& at : running->addresses())
        log::info("gateway.listening", {{"address", net::to_text(at)}, {"config", file}});
    net::tell_service_manager("READY=1");
    running->take_over();
    upgrade next(file);

    while (true) {
        const timespec until_next_look{.tv_sec = 1, .tv_nsec = 0};
        siginfo_t from{};
        const int signal = sigtimedwait(&signals, &from, &until_next_look);
        running->follow_certificates();
        running->watch_memory();
        next.look();
        if (signal == SIGUSR2) next.start(*running);
        if (signal == SIGHUP) {
            net::tell_of_reload();
            reload(*running, file);
            net::tell_service_manager("READY=1");
        }
        const bool replaced = signal == SIGUSR1 && from.si_pid == next.successor();
        if (replaced || signal == SIGTERM || signal == SIGINT) break;
    }
    next.look();
    const bool replaced = next.successor() > 0;
    log::info("gateway.draining", {{"successor", replaced ? next.successor() : 0}});
    net::tell_service_manager(replaced ? "MAINPID=" + std::to_string(next.successor())
                                       : std::string("STOPPING=1"));
    const bool clean = running->drain(asked_to_hurry, replaced ? http::server::sockets::handed_over
                                                               : http::server::sockets::ours);
    running.reset();
    log::info("gateway.stopped", {{"clean", clean}});
    log::stop();
    return 0;
}

}  // namespace

void add_serve_command(CLI::App& app, int& exit_code) {
    CLI::App* serve_app = app.add_subcommand("serve", "Run the gateway");
    auto file = std::make_shared<std::string>("lethe.yaml");
    serve_app->add_option("-c,--config,FILE", *file, "The configuration file")
        ->type_name("FILE")
        ->capture_default_str();
    serve_app->footer(
        "Signals:\n"
        "  SIGTERM, SIGINT  stop accepting, finish what is under way, exit 0; a second one does "
        "not wait\n"
        "  SIGHUP           read the configuration again; a file with mistakes changes nothing\n"
        "  SIGUSR2          start the binary anew, which takes over the listening sockets; nobody "
        "is "
        "refused\n\n"
        "Examples:\n"
        "  lethe serve -c lethe.yaml\n"
        "  lethe config check lethe.yaml && kill -HUP $(pidof lethe)");
    serve_app->callback([file, &exit_code] { exit_code = serve(*file); });
}

}  // namespace lethe::cli
