// The fault test: many customers and visitors through two lethe processes that share one store, in
// front of three replicas of the shop and two of the witness, while one process after another is
// killed with SIGKILL and started again (the store's server, too) and gateways stand still past
// their leases. Afterwards everything that was acknowledged must be there, once. Exit status: 0 it
// is, 1 it is not, 2 wrong arguments.
#include "faults/chaos.hpp"
#include "faults/judge.hpp"
#include "faults/visitor.hpp"
#include "witness/judge.hpp"

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

constexpr std::size_t shops = 3;
constexpr std::size_t witnesses = 2;
constexpr std::size_t gateways = 2;
constexpr const char* lease = "3s";
constexpr milliseconds longer_than_lease{4500};
constexpr const char* usage =
    "usage: lethe_faults --lethe FILE --shop FILE --witness FILE [--store STORE] [--seconds N]\n"
    "                    [--seed N] [--clients N] [--visitors N]\n"
    "  --store STORE  a URL, or redis or postgres: started for this, and killed, too (default:\n"
    "               LETHE_STORE, else a file)\n"
    "  --seconds N  how long processes die (default: 60; LETHE_FAULT_SECONDS goes before)\n"
    "  --seed N     what the dice start from (default: at random; printed)\n"
    "  --clients N  customers of the shop at a time (default: 6)\n"
    "  --visitors N callers of the witness at a time (default: 6)\n";

struct arguments {
    std::string lethe;
    std::string shop;
    std::string witness;
    std::string store;
    unsigned long seconds = 60;
    unsigned long seed = std::random_device{}();
    unsigned long clients = 6;
    unsigned long visitors = 6;
};

bool parse_number(const char* text, unsigned long& out) {
    char* end = nullptr;
    out = std::strtoul(text, &end, 10);
    return *text != '\0' && *end == '\0';
}

// What is wrong; "" when nothing is.
std::string read_arguments(int count, char** words, arguments& out) {
    if (const char* wanted = std::getenv("LETHE_STORE")) out.store = wanted;
    for (int i = 1; i < count; i += 2) {
        const std::string_view word = words[i];
        if (i + 1 >= count) return std::string(word) + " needs a value";
        const char* const value = words[i + 1];
        unsigned long* number = nullptr;
        if (word == "--lethe")
            out.lethe = std::filesystem::absolute(value).string();
        else if (word == "--shop")
            out.shop = std::filesystem::absolute(value).string();
        else if (word == "--witness")
            out.witness = std::filesystem::absolute(value).string();
        else if (word == "--store")
            out.store = value;
        else if (word == "--visitors")
            number = &out.visitors;
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
    // The tests give a time; who asks for another one asks all of them.
    if (const char* wanted = std::getenv("LETHE_FAULT_SECONDS"))
        if (!parse_number(wanted, out.seconds)) return "LETHE_FAULT_SECONDS is no number";
    if (out.lethe.empty() || out.shop.empty() || out.witness.empty())
        return "--lethe, --shop and --witness are needed";
    if (out.clients == 0 || out.visitors == 0) return "--clients and --visitors must be at least 1";
    return {};
}

// What all customers of all threads saw.
struct gathered {
    std::mutex mutex;
    std::vector<record> collectors;
    std::vector<record> buyers;
    counts sum;
    std::vector<visited> visits;
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

void send_visitors(const test::shop_stage& stage, const surroundings& around, std::size_t thread,
                   std::uint64_t seed, gathered& into) {
    std::mt19937_64 random(seed + 1000 + thread);
    try {
        for (std::size_t n = 0; !around.stop; ++n) {
            const std::string user = "v" + std::to_string(thread) + '-' + std::to_string(n);
            visited one = visit_once(around, user, stage.token(user), random());
            const std::lock_guard lock(into.mutex);
            into.visits.push_back(std::move(one));
        }
    } catch (const std::exception& e) {
        const std::lock_guard lock(into.mutex);
        into.failure = e.what();
    }
}

void print(const char* what, std::size_t number) {
    std::printf("  %-58s %8zu\n", what, number);
}

void print_kills(const kills& killed) {
    std::printf("\nWhat happened\n");
    print("replicas killed", killed.replicas);
    print("lethe processes killed", killed.gateways);
    print("  that stood still past their leases", killed.pauses);
    print("store servers killed", killed.stores);
    print("processes that ended by themselves", killed.crashed.size());
    for (const std::string& crash : killed.crashed) std::printf("  ! %s\n", crash.c_str());
}

void print_visits(const gathered& told, const witness::findings& found) {
    std::size_t unexpected = 0;
    for (const visited& one : told.visits) unexpected += one.unexpected;
    std::printf("Keys and sessions\n");
    print("visitors", told.visits.size());
    print("keys", found.keys);
    print("  acknowledged", found.acknowledged);
    print("  reported as unknown", found.unknown);
    print("  without a final answer", found.open);
    print("requests that reached a witness", found.forwards);
    print("  of them later attempts of a key", found.later_attempts);
    print("  refused there, for a later one had come", found.refused);
    print("forwarded twice", found.forwarded_twice);
    print("done twice", found.done_twice);
    print("acknowledged and not done", found.lost);
    print("outcomes that changed after they were told", found.overruled);
    print("answers and sessions of somebody else", found.to_others);
    print("session changes lost", found.changes_lost);
    print("session changes made twice", found.changes_twice);
    print("logouts during load", found.logouts);
    print("  old cookies tried afterwards", found.old_cookies_tried);
    print("  that showed something", found.revived);
    print("sessions that cannot be read", found.sessions_unread);
    print("requests that nobody sent", found.of_nobody);
    print("answers that no fault explains", unexpected);
    for (const std::string& detail : found.details) std::printf("  ! %s\n", detail.c_str());
    for (const visited& one : told.visits)
        if (one.unexpected > 0) std::printf("  ! %s\n", one.first_unexpected.c_str());
}

void print_table(const gathered& told, const findings& found) {
    std::printf("The shop\n");
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
    for (const std::string& detail : found.details) std::printf("  ! %s\n", detail.c_str());
    if (!told.sum.first_unexpected.empty())
        std::printf("  ! %s\n", told.sum.first_unexpected.c_str());
    if (!told.failure.empty()) std::printf("  ! %s\n", told.failure.c_str());
}

bool is_good(const kills& killed, const gathered& told, const findings& found,
             const witness::findings& seen) {
    const bool explained =
        std::ranges::all_of(told.visits, [](const visited& one) { return one.unexpected == 0; });
    return found.is_good() && seen.is_good() && explained && told.failure.empty() &&
           told.sum.replays_wrong == 0 && told.sum.reads_refused == 0 && told.sum.unexpected == 0 &&
           killed.replicas > 0 && killed.gateways > 0 && killed.crashed.empty();
}

// All customers and visitors until the processes have died often enough.
void play(test::shop_stage& stage, chaos& kills, const arguments& with, const surroundings& around,
          std::atomic<bool>& stop, gathered& told) {
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
    for (std::size_t i = 0; i < with.visitors; ++i)
        threads.emplace_back([&, i] { send_visitors(stage, around, i, with.seed, told); });
    kills.run(seconds(with.seconds));
}

int run(const arguments& with) {
    std::printf("lethe_faults: %lu s, %lu customers and %lu visitors at a time, seed %lu\n",
                with.seconds, with.clients, with.visitors, with.seed);
    std::fflush(stdout);
    test::stage_options options;
    options.lethe = with.lethe;
    options.shop = {with.shop};
    options.replicas = shops;
    options.gateways = gateways;
    options.idempotency = std::string("lease: ") + lease + ", wait: 2s";
    options.log_level = "warn";
    options.store = with.store;
    witness::replicas observers(with.witness, witnesses);
    observers.add_to(options, lease);
    test::shop_stage stage(options);
    observers.start_all(stage.folder());
    stage.open();
    if (!stage.store_note().empty()) std::printf("%s\n", stage.store_note().c_str());

    std::atomic<bool> stop{false};
    const surroundings around{{stage.gateway_port(0), stage.gateway_port(1)}, stop};
    gathered told;
    chaos kills(stage, shops, gateways, observers, longer_than_lease, with.seed);
    play(stage, kills, with, around, stop, told);
    kills.note_crashes();

    const findings found = judge(stage, told.collectors, told.buyers);
    std::vector<witness::visit> visits;
    for (visited& one : told.visits) {
        look_back(around, one);
        visits.push_back(one.seen);
    }
    const witness::findings seen =
        witness::judge(visits, witness::read_journal(observers.journal()));
    print_kills(kills.done());
    print_table(told, found);
    print_visits(told, seen);
    const bool good = is_good(kills.done(), told, found, seen);
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
