#include "gateway/running_gateway.hpp"

#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <thread>

namespace lethe::test {
namespace {

std::string read_file(const std::filesystem::path& at) {
    std::ifstream in(at, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

std::string lethe_binary() {
    return LETHE_BINARY;
}

running_gateway::running_gateway(std::string rest) {
    const auto ports = free_ports(2);
    port = ports[0];
    admin_port = ports[1];
    rewrite(std::move(rest));
}

running_gateway::~running_gateway() = default;

void running_gateway::rewrite(std::string rest) {
    for (std::size_t at = 0; (at = rest.find("${DIR}")) != std::string::npos;)
        rest.replace(at, 6, folder.path().string());
    std::ofstream out(folder.path() / "lethe.yaml");
    const std::string at = address.empty() ? "127.0.0.1:" + std::to_string(port) : address;
    out << "listen: [{address: \"" << at << "\"" << listener_options << "}]\n"
        << "admin: {address: \"127.0.0.1:" << admin_port << "\", api_token: " << api_token << "}\n"
        << "workers: 2\n"
        << rest;
}

std::vector<std::string> running_gateway::command() const {
    std::vector<std::string> out = {lethe_binary(), "serve", "-c",
                                    (folder.path() / "lethe.yaml").string()};
    if (variables.empty()) return out;
    // The shell's number is that of the program it becomes.
    std::string script = "export LISTEN_PID=$$";
    for (const std::string& one : variables) script += " '" + one + "'";
    out.insert(out.begin(), {"/bin/sh", "-c", script + "; exec \"$@\"", "sh"});
    return out;
}

bool running_gateway::start() {
    process_.emplace(process_options{.command = command(),
                                     .output = folder.path() / "log",
                                     .working_folder = {},
                                     .third = third});
    for (int i = 0; i < 1000; ++i) {
        client probe(admin_port, std::chrono::seconds{2});
        if (probe.get("/readyz").status == 200) return true;
        if (!process_->running()) break;
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
    std::cerr << log();
    return false;
}

running_gateway::refusal running_gateway::start_refused() {
    const finished_command done = run_command(command(), std::chrono::seconds{10});
    return {done.exit, done.output};
}

std::string running_gateway::log() const {
    return read_file(folder.path() / "log");
}

bool running_gateway::wait_for_event(std::string_view event, int times) const {
    return wait_for_text("\"event\":\"" + std::string(event) + "\"", times);
}

bool running_gateway::wait_for_text(std::string_view wanted, int times) const {
    for (int i = 0; i < 500; ++i) {
        const std::string text = log();
        int found = 0;
        for (std::size_t at = 0; (at = text.find(wanted, at)) != std::string::npos; ++at) ++found;
        if (found >= times) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
    return false;
}

}  // namespace lethe::test
