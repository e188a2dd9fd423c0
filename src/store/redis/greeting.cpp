#include "store/redis/greeting.hpp"

#include "base/log.hpp"
#include "store/redis/functions.hpp"
#include "store/redis/refusal.hpp"
#include "store/redis/resp.hpp"

#include <utility>

namespace lethe::store::redis {

using resp::command;

bool append_authentication(std::string& to, const credentials& who) {
    if (who.password.empty()) return false;
    if (who.user.empty())
        command(to, 2).word("AUTH").word(who.password.reveal());
    else
        command(to, 3).word("AUTH").word(who.user).word(who.password.reveal());
    return true;
}

greeting::greeting(const settings& with, std::string name) : name_(std::move(name)) {
    if (append_authentication(bytes_, with.server)) steps_.push_back(step::authenticate);
    if (with.protocol == 3) {
        command(bytes_, 2).word("HELLO").word("3");
        steps_.push_back(step::hello);
    }
    command(bytes_, 3).word("CLIENT").word("SETNAME").word("lethe");
    steps_.push_back(step::name);
    if (with.database != 0) {
        command(bytes_, 2).word("SELECT").number(with.database);
        steps_.push_back(step::database);
    }
    append_load(bytes_);
    steps_.push_back(step::functions);
    command(bytes_, 1).word("ROLE");
    steps_.push_back(step::role);
}

// Errors after which the connection is still good for something.
bool greeting::tolerable(step at, std::string_view error) const noexcept {
    const bool forbidden = error.starts_with("NOPERM");
    switch (at) {
        // An older protocol will do, and a name is a courtesy.
        case step::hello:
            return forbidden || error.starts_with("NOPROTO") || error.starts_with("ERR unknown");
        case step::name: return !error.starts_with("NOAUTH");
        // Somebody else may have loaded them (`lethe store migrate`), and reads need none: when
        // they are missing, a call will tell. Not so on a replica, and where they are unknown.
        case step::functions:
            return forbidden || is_loaded(error) || error.starts_with("OOM") ||
                   error.starts_with("MISCONF") || error.starts_with("NOREPLICAS");
        case step::role: return forbidden;
        default: return false;
    }
}

result<> greeting::refuse(step at, std::string_view why) const {
    static constexpr std::string_view names[] = {"AUTH",   "HELLO",         "CLIENT SETNAME",
                                                 "SELECT", "FUNCTION LOAD", "ROLE"};
    log::warn("store.greeting_refused", {{"store", name_},
                                         {"command", names[static_cast<std::size_t>(at)]},
                                         {"reason", reason_of(why)}});
    return LETHE_ERR(errc::unavailable);
}

result<> greeting::judge(std::size_t index, std::string_view bytes) const {
    LETHE_ASSERT(index < steps_.size());
    const step at = steps_[index];
    LETHE_TRY(const resp::value reply, resp::parse(bytes));
    if (reply.is_error()) {
        if (tolerable(at, reply.text)) return {};
        if (at == step::functions && reply.text.starts_with("ERR unknown"))
            return refuse(at, "the server is too old: Redis 7 or Valkey is needed");
        return refuse(at, reply.text);
    }
    if (at == step::functions) *first_load_ = true;
    // A primary that has become a replica would still answer reads, with what it last heard.
    if (at == step::role && (reply.items.empty() || reply.items.front().text != "master"))
        return refuse(at, "the server is not the primary");
    return {};
}

}  // namespace lethe::store::redis
