// The fault test: many customers through two lethe processes that share one store, in front of
// three replicas of the shop, while one process after another is killed with SIGKILL and started
// again. Afterwards everything that was acknowledged must be there, once. Exit status: 0 it is, 1
// it is not, 2 wrong arguments.
#include "faults/judge.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <random>
#include <string_view>
#include <thread>

namespace lethe::faults {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::size_t replicas = 3;
constexpr std::size_t gateways = 2;
constexpr const char* usage =
    "usage: lethe_faults --lethe FILE --shop FILE [--seconds N] [--seed N] [--clients N]\n"
    "  --seconds N  how long processes die (default: LETHE_FAULT_SECONDS, else 60)\n"
    "  --seed N     what the dice start from (default: at random; printed)\n"
    "  --clients N  customers at a time (default: 8)\n";

struct arguments {
    std::string lethe;
    std::string shop;
    unsigned long seconds = 60;
    unsigned long seed = std::random_device{}();
    unsigned long clients = 8;
};

bool parse_number(const char* text, unsigned long& out) {
    char* end = nullptr;
    out = std::strtoul(text, &end, 10);
    return *text != '\0' && *end == '\0';
}

// What is wrong; "" when nothing is.
std::string read_arguments(int count, char** words, arguments& out) {
    if (const char* wanted = std::getenv("LETHE_FAULT_SECONDS"))
        if (!parse_number(wanted, out.seconds)) return "LETHE_FAULT_SECONDS is no number";
    for (int i = 1; i < count; i += 2) {
        const std::string_view word = words[i];
        if (i + 1 >= count) return std::string(word) + " needs a value";
        const char* const value = words[i + 1];
        unsigned long* number = nullptr;
        if (word == "--lethe")
            out.lethe = std::filesystem::absolute(value).string();
        else if (word == "--shop")
            out.shop = std::filesystem::absolute(value).string();
        else if (word == "--seconds")
            number = &out.seconds;
        else if (word == "--seed")
            number = &out.seed;
        else if (word == "--clients")
            number = &out.clients;
        else
            return "unknown argument " + std::string(word);
        if (number != nullptr && !parse_number(value, *number))
            return std::string(word) + " needs a number";
    }
    if (out.lethe.empty() || out.shop.empty()) return "--lethe and --shop are needed";
    if (out.clients == 0) return "--clients must be at least 1";
    return {};
}

// What all customers of all threads saw.
struct gathered {
    std::mutex mutex;
    std::vector<record> collectors;
    std::vector<record> buyers;
    counts sum;
    std::string failure;  // what ended a thread early
};

// Each customer is somebody else, so that the numbers of one tell about no other.
void send_customers(const test::shop_stage& stage, const surroundings& around, std::size_t thread,
                    std::uint64_t seed, gathered& into) {
    std::mt19937_64 random(seed + thread);
    try {
        for (std::size_t n = 0; !around.stop; ++n) {
            const std::string user = "c" + std::to_string(thread) + '-' + std::to_string(n);
            const bool collects = (thread + n) % 2 == 0;
            customer one(around, user, stage.token(user), random());
            if (collects)
                one.collect(1 + 100 * thread);
            else
                one.buy(1 + 100 * thread);
            const std::lock_guard lock(into.mutex);
            (collects ? into.collectors : into.buyers).push_back(one.seen());
            into.sum.add(one.counted());
        }
    } catch (const std::exception& e) {
        const std::lock_guard lock(into.mutex);
        into.failure = e.what();
    }
}

struct kills {
    std::size_t replicas = 0;
    std::size_t gateways = 0;
    // Processes that ended without being killed: a crash, which a new start would hide.
    std::vector<std::string> crashed;
};

void note_crashes(test::shop_stage& stage, kills& into) {
    const auto look = [&into](const std::string& name, test::process& one) {
        const std::optional<int> exit = one.wait(milliseconds{0});
        if (exit) into.crashed.push_back(name + " ended by itself with " + std::to_string(*exit));
    };
    for (std::size_t i = 0; i < replicas; ++i) look(stage.replica_name(i), stage.replica(i));
    for (std::size_t i = 0; i < gateways; ++i)
        look("lethe-" + std::to_string(i + 1), stage.gateway(i));
}

// On the thread that started the processes. At most one is down at a time.
kills kill_at_random(test::shop_stage& stage, seconds how_long, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto pause = [&random](unsigned from, unsigned to) {
        std::this_thread::sleep_for(milliseconds(from + random() % (to - from)));
    };
    kills done;
    const auto until = steady_clock::now() + how_long;
    while (steady_clock::now() < until) {
        pause(50, 700);
        note_crashes(stage, done);
        const std::size_t victim = random() % (replicas + gateways);
        if (victim < replicas) {
            stage.replica(victim).kill_now();
            pause(10, 400);
            stage.start_replica(victim);
            ++done.replicas;
        } else {
            stage.gateway(victim - replicas).kill_now();
            pause(10, 400);
            stage.start_gateway(victim - replicas);
            ++done.gateways;
        }
    }
    return done;
}

void print(const char* what, std::size_t number) {
    std::printf("  %-58s %8zu\n", what, number);
}

void print_table(const kills& killed, const gathered& told, const findings& found) {
    std::printf("\nWhat happened\n");
    print("replicas killed", killed.replicas);
    print("lethe processes killed", killed.gateways);
    print("customers", told.collectors.size() + told.buyers.size());
    print("requests", told.sum.requests);
    print("of them retries", told.sum.retries);
    std::printf("What was promised\n");
    print("articles acknowledged", found.items_acknowledged);
    print("  not in their cart", found.items_lost);
    print("  with a key, and in the cart twice", found.items_doubled);
    print("  (no final answer)", found.items_open);
    print("orders acknowledged", found.orders_acknowledged);
    print("  not in the shop", found.orders_lost);
    print("orders of any kind that exist twice", found.orders_doubled);
    print("orders reported as unknown", found.orders_unknown);
    print("  of them made", found.orders_unknown_made);
    print("orders without a final answer", found.orders_given_up);
    print("orders nobody asked for", found.orders_of_nobody);
    print("carts with something left after all was ordered", found.carts_not_emptied);
    print("carts that cannot be read", found.carts_unread);
    print("replays", told.sum.replays);
    print("  that differ from the first answer", told.sum.replays_wrong);
    print("reads that came to no answer", told.sum.reads_refused);
    print("answers that no fault explains", told.sum.unexpected);
    print("processes that ended by themselves", killed.crashed.size());
    for (const std::string& crash : killed.crashed) std::printf("  ! %s\n", crash.c_str());
    for (const std::string& detail : found.details) std::printf("  ! %s\n", detail.c_str());
    if (!told.sum.first_unexpected.empty())
        std::printf("  ! %s\n", told.sum.first_unexpected.c_str());
    if (!told.failure.empty()) std::printf("  ! %s\n", told.failure.c_str());
}

int run(const arguments& with) {
    std::printf("lethe_faults: %lu s, %lu customers at a time, seed %lu\n", with.seconds,
                with.clients, with.seed);
    std::fflush(stdout);
    test::stage_options options;
    options.lethe = with.lethe;
    options.shop = {with.shop};
    options.replicas = replicas;
    options.gateways = gateways;
    options.idempotency = "lease: 3s, wait: 2s";
    options.log_level = "warn";
    test::shop_stage stage(options);
    stage.open();

    std::atomic<bool> stop{false};
    const surroundings around{{stage.gateway_port(0), stage.gateway_port(1)}, stop};
    gathered told;
    std::vector<std::jthread> threads;
    // Whatever ends this function early, the customers end first.
    struct stop_at_end {
        std::atomic<bool>& stop;
        std::vector<std::jthread>& all;
        ~stop_at_end() {
            stop = true;
            all.clear();
        }
    } const guard{stop, threads};
    for (std::size_t i = 0; i < with.clients; ++i)
        threads.emplace_back([&, i] { send_customers(stage, around, i, with.seed, told); });
    kills killed = kill_at_random(stage, seconds(with.seconds), with.seed);
    stop = true;
    threads.clear();
    note_crashes(stage, killed);

    const findings found = judge(stage, told.collectors, told.buyers);
    print_table(killed, told, found);
    const bool good = found.is_good() && told.failure.empty() && told.sum.replays_wrong == 0 &&
                      told.sum.reads_refused == 0 && told.sum.unexpected == 0 &&
                      killed.replicas + killed.gateways > 0 && killed.crashed.empty();
    if (!good) stage.keep_folder();
    if (good)
        std::printf("held: nothing lost, nothing doubled\n");
    else
        std::printf("BROKEN (seed %lu); logs and databases are in %s\n", with.seed,
                    stage.folder().c_str());
    return good ? 0 : 1;
}

}  // namespace
}  // namespace lethe::faults

int main(int count, char** words) {
    lethe::faults::arguments with;
    const std::string mistake = lethe::faults::read_arguments(count, words, with);
    if (!mistake.empty()) {
        std::fprintf(stderr, "lethe_faults: %s\n%s", mistake.c_str(), lethe::faults::usage);
        return 2;
    }
    try {
        return lethe::faults::run(with);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "lethe_faults: %s\n", e.what());
        return 1;
    }
}
