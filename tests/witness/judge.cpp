#include "witness/judge.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace lethe::witness {
namespace {

constexpr std::size_t details_max = 12;

struct key_facts {
    std::multiset<std::uint64_t> forwards;  // attempts
    std::size_t effects = 0;
    std::size_t refused = 0;
    bool asked_for = false;
};
using facts_by_key = std::map<std::pair<std::string, std::string>, key_facts>;

facts_by_key gather(const std::vector<entry>& journal) {
    facts_by_key all;
    for (const entry& one : journal) {
        key_facts& facts = all[{one.user, one.key}];
        if (one.what == event::forward) facts.forwards.insert(one.attempt);
        if (one.what == event::refused) ++facts.refused;
        if (one.what == event::effect) ++facts.effects;
    }
    return all;
}

class court {
 public:
    explicit court(const std::vector<entry>& journal) : facts_(gather(journal)) {}

    void judge(const visit& whose);
    findings close();

 private:
    void judge_key(const visit& whose, const asked_key& one);
    void judge_forwards(const std::string& name, const asked_key& one, const key_facts& facts);
    void judge_answers(const std::string& name, const visit& whose, const asked_key& one);
    void judge_change(const std::string& name, const visit& whose, const asked_key& one);
    void note(std::size_t& count, const std::string& what) {
        ++count;
        if (out_.details.size() < details_max) out_.details.push_back(what);
    }

    facts_by_key facts_;
    findings out_;
};

void court::judge_forwards(const std::string& name, const asked_key& one, const key_facts& facts) {
    out_.forwards += facts.forwards.size();
    out_.refused += facts.refused;
    if (!facts.forwards.empty()) out_.later_attempts += facts.forwards.size() - 1;
    const bool once = one.rule != "resend" && one.rule != "reconcile";
    if (once && facts.forwards.size() > 1)
        note(out_.forwarded_twice,
             name + " was forwarded " + std::to_string(facts.forwards.size()) + " times");
    else if (std::ranges::adjacent_find(facts.forwards) != facts.forwards.end())
        note(out_.forwarded_twice, name + " was forwarded twice as one attempt");
    if (facts.effects > 1)
        note(out_.done_twice, name + " was done " + std::to_string(facts.effects) + " times");
    if (one.told == knowledge::acknowledged && facts.effects == 0)
        note(out_.lost, name + " was acknowledged and not done");
}

// Once an answer was recorded, all that is asked later gets it.
void court::judge_answers(const std::string& name, const visit& whose, const asked_key& one) {
    for (const told_answer& answer : one.answers) {
        if (answer.user != whose.user)
            note(out_.to_others, name + " got an answer for " + answer.user);
        if (!answer.owner.empty() && answer.owner != whose.user)
            note(out_.to_others, name + " met the session of " + answer.owner);
        for (const told_answer& later : one.answers)
            if (answer.recorded && answer.told < later.asked &&
                (answer.effect != later.effect || answer.attempt != later.attempt))
                note(out_.overruled, name + ": attempt " + std::to_string(answer.attempt) +
                                         " was the outcome, later attempt " +
                                         std::to_string(later.attempt) + " was");
    }
}

void court::judge_change(const std::string& name, const visit& whose, const asked_key& one) {
    if (one.rule == "logout" || whose.logged_out || whose.cookie_lost || !whose.ledger_read) return;
    const auto found = whose.ledger.find(one.key);
    const long times = found == whose.ledger.end() ? 0 : found->second;
    if (times > 1)
        note(out_.changes_twice, name + " changed its session " + std::to_string(times) + " times");
    if (one.told == knowledge::acknowledged && times == 0)
        note(out_.changes_lost, name + " was acknowledged and is not in its session");
}

void court::judge_key(const visit& whose, const asked_key& one) {
    const std::string name = whose.user + ' ' + one.rule + ' ' + one.key;
    key_facts& facts = facts_[{whose.user, one.key}];
    facts.asked_for = true;
    ++out_.keys;
    out_.acknowledged += one.told == knowledge::acknowledged ? 1 : 0;
    out_.unknown += one.told == knowledge::unknown ? 1 : 0;
    out_.open += one.told == knowledge::open ? 1 : 0;
    judge_forwards(name, one, facts);
    judge_answers(name, whose, one);
    judge_change(name, whose, one);
}

void court::judge(const visit& whose) {
    for (const asked_key& one : whose.keys) judge_key(whose, one);
    out_.logouts += whose.logged_out ? 1 : 0;
    out_.old_cookies_tried += whose.old_cookies_tried;
    if (whose.revivals > 0)
        note(out_.revived, whose.user + ": the old cookie showed something after the logout, " +
                               std::to_string(whose.revivals) + " times");
    if (!whose.logged_out && !whose.cookie_lost && !whose.ledger_read)
        note(out_.sessions_unread, whose.user + ": the session cannot be read");
    if (!whose.owner.empty() && whose.owner != whose.user)
        note(out_.to_others, whose.user + " ended with the session of " + whose.owner);
}

findings court::close() {
    for (const auto& [who, facts] : facts_)
        if (!facts.asked_for) note(out_.of_nobody, who.first + ' ' + who.second + " came unasked");
    return std::move(out_);
}

}  // namespace

bool findings::is_good() const noexcept {
    return acknowledged > 0 && forwarded_twice == 0 && done_twice == 0 && lost == 0 &&
           overruled == 0 && to_others == 0 && changes_lost == 0 && changes_twice == 0 &&
           revived == 0 && sessions_unread == 0 && of_nobody == 0;
}

findings judge(const std::vector<visit>& visits, const std::vector<entry>& journal) {
    court all(journal);
    for (const visit& one : visits) all.judge(one);
    return all.close();
}

}  // namespace lethe::witness
