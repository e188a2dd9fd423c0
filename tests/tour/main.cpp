// Takes the tour of lethe with the shop of examples/: starts three replicas behind `lethe serve` in
// a temporary folder, shows what holds when processes die, and ends with a table. Leaves no process
// behind. Exit status: 0 all held, 1 something did not, 2 wrong arguments, 130 interrupted.
#include "support/source_tree.hpp"
#include "tour/tour.hpp"

#include <signal.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

namespace fs = std::filesystem;

constexpr const char* usage =
    "usage: lethe_tour [--shop cpp|node] [--stay] [--lethe FILE] [--shop-program FILE] [--node "
    "FILE]\n"
    "  --shop cpp|node      the shop in C++ (the default) or the one in plain Node\n"
    "  --stay               keep everything running afterwards and print curl lines to try\n"
    "  --lethe FILE         the gateway's program (default: lethe beside this one)\n"
    "  --shop-program FILE  the shop's program (default: shop beside this one, or shop.mjs)\n"
    "  --node FILE          what runs shop.mjs (default: node, as PATH finds it)\n"
    "LETHE_STORE in the environment: the URL of the store to use, or redis, redis-cluster, "
    "postgres "
    "or\nmemcached for a server that is started for the tour alone (default: a SQLite file).\n";

struct arguments {
    std::string lethe;
    std::string shop = "cpp";
    std::string shop_program;
    std::string node = "node";
    bool stay = false;
    bool help = false;
};

fs::path beside_this(const char* name) {
    return fs::read_symlink("/proc/self/exe").parent_path() / name;
}

// The first file of that name in PATH; the name itself when it is a path.
fs::path find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) return fs::absolute(name);
    const char* const path = std::getenv("PATH");
    std::stringstream folders(path == nullptr ? "" : path);
    for (std::string folder; std::getline(folders, folder, ':');)
        if (fs::exists(fs::path(folder) / name)) return fs::path(folder) / name;
    return {};
}

// What is wrong; "" when nothing is.
std::string read_arguments(int count, char** words, arguments& out) {
    for (int i = 1; i < count; ++i) {
        const std::string_view word = words[i];
        std::string* value = nullptr;
        if (word == "--lethe")
            value = &out.lethe;
        else if (word == "--shop")
            value = &out.shop;
        else if (word == "--shop-program")
            value = &out.shop_program;
        else if (word == "--node")
            value = &out.node;
        else if (word == "--stay")
            out.stay = true;
        else if (word == "--help")
            out.help = true;
        else
            return "unknown argument " + std::string(word);
        if (value == nullptr) continue;
        if (++i >= count) return std::string(word) + " needs a value";
        *value = words[i];
    }
    if (out.shop != "cpp" && out.shop != "node") return "--shop must be cpp or node";
    return {};
}

// What to start; throws std::runtime_error when something is not there.
lethe::test::stage_options make_options(const arguments& with) {
    lethe::test::stage_options options;
    if (const char* const store = std::getenv("LETHE_STORE")) options.store = store;
    options.lethe = with.lethe.empty() ? beside_this("lethe") : fs::absolute(with.lethe);
    const bool is_node = with.shop == "node";
    const fs::path usual =
        is_node ? lethe::test::source_tree() / "examples/shop-node/shop.mjs" : beside_this("shop");
    const fs::path program = with.shop_program.empty() ? usual : fs::absolute(with.shop_program);
    const fs::path node = is_node ? find_program(with.node) : fs::path();
    if (is_node && !fs::exists(node))
        throw std::runtime_error(with.node + " is not there: install nodejs");
    if (is_node) options.shop.push_back(node.string());
    options.shop.push_back(program.string());
    for (const fs::path& needed : {options.lethe, program})
        if (!fs::exists(needed))
            throw std::runtime_error(needed.string() + " is not there: ./dev build");
    return options;
}

void on_interrupt(int) {
    lethe::test::client::interrupt();
}

void catch_interrupts() {
    struct sigaction action{};
    action.sa_handler = on_interrupt;
    sigemptyset(&action.sa_mask);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
}

void stay(lethe::test::shop_stage& stage, const lethe::tour::walk& walk) {
    const std::string base = "http://127.0.0.1:" + std::to_string(stage.gateway_port());
    std::printf("\nlethe keeps running; try, in another terminal:\n\n");
    std::printf("  TOKEN='%s'\n", walk.token().c_str());
    std::printf("  COOKIE='%s'\n\n", walk.cookie().c_str());
    const std::string curl =
        "  curl -i -H \"Authorization: Bearer $TOKEN\" -H \"Cookie: $COOKIE\" ";
    std::printf("%s%s/catalogue\n", curl.c_str(), base.c_str());
    std::printf("%s%s/cart\n", curl.c_str(), base.c_str());
    std::printf("%s-d '{\"sku\":\"tea\",\"qty\":2}' %s/cart/items\n", curl.c_str(), base.c_str());
    std::printf("%s-H 'Idempotency-Key: my-first-order' -d '{}' %s/orders\n", curl.c_str(),
                base.c_str());
    std::printf("  kill -9 %d    # %s\n", static_cast<int>(stage.replica(0).id()),
                stage.replica_name(0).c_str());
    std::printf("  curl -s http://127.0.0.1:%u/metrics\n", unsigned{stage.admin_port()});
    std::printf("\nConfiguration, logs and databases: %s\nCtrl-C ends it all.\n",
                stage.folder().c_str());
    while (!lethe::test::client::interrupted())
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
}

int take(const arguments& with) {
    lethe::tour::report report;
    lethe::test::shop_stage stage(make_options(with));
    try {
        stage.open();
        if (!stage.store_note().empty()) report.say(stage.store_note());
        lethe::tour::walk walk(stage, report);
        walk.all();
        report.table();
        if (with.stay) stay(stage, walk);
    } catch (const std::exception& e) {
        if (lethe::test::client::interrupted()) {
            std::printf("\ninterrupted\n");
            return 130;
        }
        std::fprintf(stderr, "\nlethe_tour: %s\n", e.what());
        stage.keep_folder();
        std::fprintf(stderr, "logs and databases are in %s\n", stage.folder().c_str());
        return 1;
    }
    if (report.all_held()) return 0;
    stage.keep_folder();
    std::printf("logs and databases are in %s\n", stage.folder().c_str());
    return 1;
}

}  // namespace

int main(int count, char** words) {
    arguments with;
    const std::string mistake = read_arguments(count, words, with);
    if (!mistake.empty()) {
        std::fprintf(stderr, "lethe_tour: %s\n%s", mistake.c_str(), usage);
        return 2;
    }
    if (with.help) {
        std::fputs(usage, stdout);
        return 0;
    }
    catch_interrupts();
    try {
        return take(with);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "lethe_tour: %s\n", e.what());
        return 1;
    }
}
