// Looks on from above: that sessions keep what they promise. It opens records with the tickets that
// gateways hand out.
#pragma once

#include "session/record.hpp"
#include "session/ticket.hpp"
#include "simulation/facts.hpp"
#include "store/store.hpp"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace lethe::simulation {

class session_ledger {
 public:
    // `executions`: which execution left a mark.
    session_ledger(schedule& time, verdict& judge,
                   std::function<const execution*(std::uint64_t)> executions)
        : time_(time), verdict_(judge), executions_(std::move(executions)) {}

    void wrote(const std::string& key, const store::record* before, const store::record& after);
    void forgot(const std::string& key);

    // A gateway lets a ticket out.
    void learn(const session::ticket& known);
    // The service sees a session of that name with those slots, for an exchange that began then and
    // showed the ticket of that store key ("" for none).
    void seen(const std::string& pseudonym, const std::string& slots, moment began,
              const std::string& shown);
    // An answer goes out that says that the execution's change of the session was made; `by` is the
    // ticket that leads to the session from now on.
    void acknowledged(const session::ticket& by, const execution& what);
    // The session of that name was ended, says an answer.
    void acknowledged_end(const std::string& pseudonym, bool record_lives);
    // Whether an outcome made for one session is for the other: the same, or it before a login.
    [[nodiscard]] bool is_of(const std::string& pseudonym, const std::string& origin) const;

    [[nodiscard]] std::uint64_t acknowledgements() const noexcept { return acknowledgements_; }
    [[nodiscard]] std::uint64_t sessions_known() const noexcept { return lives_.size(); }

 private:
    // A session from its creation, or a login, on; by identity.
    struct life {
        std::vector<std::string> earlier;
        std::uint64_t version = 0;
        std::vector<std::uint64_t> log;  // marks in the cart
        std::set<std::uint64_t> steps;   // marks that ever stood in the wizard
        std::uint64_t step = 0;          // the one that stands there
        std::vector<std::pair<moment, std::uint64_t>> acknowledged;  // of the log
        std::optional<moment> ended;
        bool forgotten = false;
    };
    struct node {
        std::optional<session::ticket> opens;
        std::vector<std::string> sealed;  // written before its ticket was known
        session::record_kind kind{};
        bool existed = false;
        bool forgotten = false;
        std::string identity;
        std::optional<moment> superseded;  // by a login
    };

    void open(node& at, const std::string& value);
    void check_state(node& at, const session::state& data);
    void check_growth(life& of, const session::state& data);
    void check_mark(const session::state& data, std::uint64_t mark);
    void check_operation(const life& of, std::uint64_t step);
    void inherit(life& of, const session::state& data);

    schedule& time_;
    verdict& verdict_;
    const std::function<const execution*(std::uint64_t)> executions_;
    std::map<std::string, node> nodes_;              // by store key
    std::map<std::string, life> lives_;              // by identity
    std::map<std::string, std::string> identities_;  // by pseudonym
    std::uint64_t acknowledgements_ = 0;
};

}  // namespace lethe::simulation
