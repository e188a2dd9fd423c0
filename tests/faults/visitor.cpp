#include "faults/visitor.hpp"

#include "witness/caller.hpp"

#include <thread>
#include <utility>

namespace lethe::faults {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using witness::asked_key;
using witness::caller;
using witness::knowledge;

// Shorter than a lease: whose gateway stands still goes to another one.
constexpr milliseconds answer_time_max{2500};
constexpr seconds patience{30};
constexpr std::size_t works_wanted = 10;
constexpr std::size_t delay_max = 60;  // milliseconds
// So many of ten wait longer: more of them are under way when a gateway stands still.
constexpr std::size_t slow_of_ten = 2;
constexpr std::size_t slow_delay = 600;
constexpr const char* rules[] = {"hold", "resend", "reconcile"};

class visitor {
 public:
    visitor(const surroundings& around, visited& into, std::uint64_t seed)
        : around_(around),
          into_(into),
          caller_(around.gateways, into.token, seed, answer_time_max) {}
    void live();

 private:
    asked_key& make(const std::string& rule, const std::string& key);
    void work(std::size_t number);
    void ask_an_old_one_again();
    // False: the answer with the new cookie was lost, so the visit ends.
    bool log_in();
    void log_out_under_load();
    void try_old_cookies();

    const surroundings& around_;
    visited& into_;
    caller caller_;
};

std::string target_of(const std::string& rule, std::size_t delay) {
    if (rule == "login" || rule == "logout") return "/w/" + rule;
    return "/w/" + rule + "/work?delay=" + std::to_string(delay);
}

asked_key& visitor::make(const std::string& rule, const std::string& key) {
    const std::size_t delay =
        caller_.below(10) < slow_of_ten ? slow_delay : caller_.below(delay_max);
    into_.seen.keys.push_back({.rule = rule, .key = key, .target = target_of(rule, delay)});
    return into_.seen.keys.back();
}

void visitor::work(std::size_t number) {
    caller_.insist(make(rules[caller_.below(3)], "k" + std::to_string(number)), patience);
}

void visitor::ask_an_old_one_again() {
    asked_key& one = into_.seen.keys[caller_.below(into_.seen.keys.size())];
    if (one.rule != "login" && one.told == knowledge::acknowledged) caller_.insist(one, patience);
}

bool visitor::log_in() {
    const std::size_t before = caller_.requests();
    caller_.insist(make("login", "login"), patience);
    into_.seen.cookie_lost = caller_.requests() - before > 1;
    return !into_.seen.cookie_lost;
}

void visitor::try_old_cookies() {
    for (std::size_t i = 0; i < around_.gateways.size(); ++i) {
        caller_.cookies() = into_.cookies;
        caller_.use_gateways({around_.gateways[i]});
        const auto shown = caller_.look(patience);
        if (!shown) continue;
        ++into_.seen.old_cookies_tried;
        if (!shown->empty()) ++into_.seen.revivals;
    }
}

// What goes on meanwhile in the same session must not bring it back.
void visitor::log_out_under_load() {
    into_.cookies = caller_.cookies();
    std::vector<asked_key> beside;
    std::atomic<bool> enough = false;
    std::jthread other([&, seed = caller_.below(1'000'000)] {
        caller second(around_.gateways, into_.token, seed, answer_time_max);
        for (std::size_t i = 0; !enough; ++i) {
            second.cookies() = into_.cookies;
            beside.push_back({.rule = "hold",
                              .key = "beside" + std::to_string(i),
                              .target = target_of("hold", second.below(delay_max))});
            static_cast<void>(second.send_once(beside.back()));
            if (!beside.back().answers.empty())
                beside.back().told = knowledge::acknowledged;
            else
                std::this_thread::sleep_for(milliseconds(10));
        }
    });
    std::this_thread::sleep_for(milliseconds(caller_.below(100)));
    asked_key& logout = make("logout", "logout");
    caller_.insist(logout, patience);
    into_.seen.logged_out = logout.told == knowledge::acknowledged;
    into_.seen.cookie_lost = !into_.seen.logged_out;
    if (into_.seen.logged_out) try_old_cookies();
    enough = true;
    other.join();
    if (into_.seen.logged_out) try_old_cookies();
    for (asked_key& one : beside) into_.seen.keys.push_back(std::move(one));
}

void visitor::live() {
    const std::size_t login_at = caller_.below(2 * works_wanted);
    bool stays = true;
    for (std::size_t i = 0; i < works_wanted && stays && (i == 0 || !around_.stop); ++i) {
        work(i);
        if (caller_.below(3) == 0) ask_an_old_one_again();
        if (i == login_at) stays = log_in();
    }
    if (stays && caller_.below(2) == 0 && !caller_.cookies().empty())
        log_out_under_load();
    else
        into_.cookies = caller_.cookies();
    into_.requests = caller_.requests();
    into_.unexpected = caller_.unexpected();
    into_.first_unexpected = caller_.first_unexpected();
}

}  // namespace

visited visit_once(const surroundings& around, const std::string& user, const std::string& token,
                   std::uint64_t seed) {
    visited out;
    out.seen.user = user;
    out.token = token;
    visitor(around, out, seed).live();
    return out;
}

void look_back(const surroundings& around, visited& one) {
    if (one.seen.cookie_lost) return;
    caller who(around.gateways, one.token, 1, answer_time_max);
    who.cookies() = one.cookies;
    const auto shown = who.look(patience);
    if (!shown) return;
    if (one.seen.logged_out) {
        ++one.seen.old_cookies_tried;
        if (!shown->empty()) ++one.seen.revivals;
        return;
    }
    one.seen.ledger = shown->ledger;
    one.seen.owner = shown->owner;
    one.seen.ledger_read = true;
}

}  // namespace lethe::faults
