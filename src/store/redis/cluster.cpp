#include "store/redis/cluster.hpp"

#include "base/log.hpp"
#include "net/suspension.hpp"
#include "store/redis/one_shot.hpp"

#include <algorithm>
#include <utility>

namespace lethe::store::redis {
namespace {

using resp::command;

// A node that does not answer must leave time for the others.
constexpr std::chrono::milliseconds time_for_one{400};
// How long a call waits for a move or a failover to end.
constexpr std::chrono::milliseconds patience{2000};
constexpr std::chrono::milliseconds pause_first{10};
constexpr std::chrono::milliseconds pause_last{160};
constexpr std::chrono::milliseconds refreshed_after{200};
constexpr std::size_t attempts_max = 40;
constexpr std::size_t moved_at_once = 3;

}  // namespace

// A command that has no reply yet.
struct todo {
    std::size_t command = 0;
    std::size_t moved = 0;     // how often it was sent elsewhere
    bool asking = false;       // ASK: this once, `at`
    bool unreachable = false;  // nothing could be sent to `at`
    bool again = false;        // to be sent again
    bool ran = false;
    net::address at;
};

// What goes to one node in one write.
struct cluster::group {
    net::address node;
    std::shared_ptr<link> to;
    std::vector<todo> sent = {};
    std::string request = {};
    std::size_t replies = 0;
    bool waits = false;
    result<std::string> got = LETHE_ERR(errc::unavailable);
};

// A call; its groups are those of the last sending.
struct cluster::round {
    std::vector<keyed_command> commands;
    std::vector<keyed_reply> replies;
    std::vector<todo> pending;
    std::vector<group> groups;
    std::size_t under_way = 0;
    net::suspension* waiting = nullptr;
    // What helps before the next sending.
    bool look_again = false;
    bool pause = false;
    std::vector<std::shared_ptr<link>> without_functions;
};

cluster::cluster(net::worker& on, std::shared_ptr<const settings> with,
                 std::shared_ptr<const greeting> greet, open_options limits,
                 std::shared_ptr<metrics::registry> registry)
    : worker_(on),
      with_(std::move(with)),
      greet_(std::move(greet)),
      limits_(std::move(limits)),
      registry_(std::move(registry)) {}

bool cluster::past(steady_time deadline) const {
    return worker_.time().steady_now() >= deadline;
}

void cluster::close() noexcept {
    closed_ = true;
    links_.clear();
}

std::shared_ptr<link> cluster::link_to(const net::address& node) {
    std::shared_ptr<link>& at = links_[net::to_text(node)];
    if (!at)
        at = std::make_shared<link>(worker_, link_options{.with = with_,
                                                          .greet = greet_,
                                                          .server = node,
                                                          .limits = limits_,
                                                          .registry = registry_.get()});
    return at;
}

// ---- who has what

task<slot_table> cluster::ask_for_slots(net::address node, steady_time deadline) {
    std::string request;
    std::size_t replies = 1;
    if (append_authentication(request, with_->server)) ++replies;
    command(request, 2).word("CLUSTER").word("SLOTS");
    const result<std::vector<std::string>> got =
        co_await ask_once(worker_, *with_, node, std::move(request), replies, deadline);
    if (got.has_error()) co_return got.error();
    LETHE_CO_TRY(const resp::value reply, resp::parse(got->back()));
    if (reply.is_error()) {
        log::warn("store.refused", {{"store", limits_.name}, {"reason", reason_of(reply.text)}});
        co_return LETHE_ERR(errc::unavailable);
    }
    result<slot_table> table = read_slots(reply, node);
    // A node that has lost its cluster knows nothing.
    if (table.has_value() && table->nodes().empty()) co_return LETHE_ERR(errc::unavailable);
    co_return table;
}

task<> cluster::refresh(steady_time deadline) {
    const std::uint64_t before = refreshes_;
    while (refreshing_) {
        // Somebody asks already.
        const result<> slept =
            co_await worker_.time().sleep_until(worker_.time().steady_now() + pause_first);
        if (slept.has_error() || closed_) co_return LETHE_ERR(errc::unavailable);
        if (refreshes_ != before) co_return result<>{};
        if (past(deadline)) co_return LETHE_ERR(errc::timeout);
    }
    refreshing_ = true;
    std::vector<net::address> candidates = table_.nodes();
    for (const net::address& host : with_->hosts)
        if (std::ranges::find(candidates, host) == candidates.end()) candidates.push_back(host);
    result<> out = LETHE_ERR(errc::unavailable);
    for (std::size_t tried = 0; tried < candidates.size() && !closed_; ++tried) {
        const steady_time now = worker_.time().steady_now();
        if (now >= deadline) {
            out = LETHE_ERR(errc::timeout);
            break;
        }
        // Another one each time: one that is cut off from the others knows of no change.
        const net::address& node = candidates[next_asked_++ % candidates.size()];
        result<slot_table> table =
            co_await ask_for_slots(node, std::min(deadline, now + time_for_one));
        if (table.has_error()) continue;
        table_ = *std::move(table);
        known_ = true;
        ++refreshes_;
        std::erase_if(links_, [&](const auto& one) {
            return std::ranges::find(table_.nodes(), one.second->server()) == table_.nodes().end();
        });
        out = result<>{};
        break;
    }
    refreshed_ = worker_.time().steady_now();
    refreshing_ = false;
    co_return out;
}

task<> cluster::refresh_aside(std::shared_ptr<cluster> self) {
    const result<> done =
        co_await self->refresh(self->worker_.time().steady_now() + time_for_one * 8);
    co_return done;
}

void cluster::refresh_soon() {
    const steady_time now = worker_.time().steady_now();
    if (closed_ || refreshing_ ||
        (refreshed_ != steady_time::min() && now - refreshed_ < refreshed_after))
        return;
    worker_.spawn(refresh_aside(shared_from_this()));
}

task<std::vector<net::address>> cluster::primaries(steady_time deadline) {
    if (!known_) {
        const result<> asked = co_await refresh(deadline);
        if (asked.has_error()) co_return asked.error();
    }
    co_return table_.nodes();
}

// ---- sending

task<> cluster::ask(std::shared_ptr<round> all, std::size_t index, steady_time deadline) {
    group& mine = all->groups[index];
    const std::shared_ptr<link> to = mine.to;
    result<std::string> got = co_await to->ask(std::move(mine.request), mine.replies, deadline);
    mine.got = std::move(got);
    if (--all->under_way == 0 && all->waiting != nullptr)
        std::exchange(all->waiting, nullptr)->resume();
    co_return result<>{};
}

task<> cluster::ask_all(std::shared_ptr<round> all, steady_time deadline) {
    all->under_way = all->groups.size();
    for (std::size_t i = 1; i < all->groups.size(); ++i) worker_.spawn(ask(all, i, deadline));
    if (!all->groups.empty()) {
        const result<> first = co_await ask(all, 0, deadline);
        static_cast<void>(first);
    }
    if (all->under_way != 0) {
        net::suspension until_all;
        all->waiting = &until_all;
        co_await until_all.wait();
    }
    co_return result<>{};
}

// Puts what is pending into groups; what has nowhere to go stays pending.
void cluster::send_soon(round& all) {
    all.groups.clear();
    std::vector<todo> stuck;
    for (todo& one : all.pending) {
        const keyed_command& what = all.commands[one.command];
        if (!one.asking) {
            const net::address* owner = table_.owner_of(slot_of(what.key));
            if (owner == nullptr) {
                all.pause = all.look_again = true;
                stuck.push_back(one);
                continue;
            }
            // Still the one that could not be reached.
            if (one.unreachable && one.at == *owner) continue;
            one.at = *owner;
        }
        one.again = one.ran = one.unreachable = false;
        auto to = std::ranges::find(all.groups, one.at, &group::node);
        if (to == all.groups.end())
            to = all.groups.insert(all.groups.end(), group{.node = one.at, .to = link_to(one.at)});
        if (one.asking) {
            command(to->request, 1).word("ASKING");
            ++to->replies;
        }
        to->request += what.bytes;
        ++to->replies;
        to->waits = to->waits || (what.changes && with_->wait_replicas != 0);
        to->sent.push_back(one);
    }
    all.pending = std::move(stuck);
    for (group& one : all.groups) {
        if (!one.waits) continue;
        command(one.request, 3)
            .word("WAIT")
            .number(with_->wait_replicas)
            .number(with_->wait_time.count());
        ++one.replies;
    }
}

// What the reply of one command means for it.
void cluster::sort_out_reply(round& all, group& of, std::size_t place, const resp::value& reply) {
    todo& one = of.sent[place];
    keyed_reply& out = all.replies[one.command];
    out.error = {};
    out.value = reply;
    if (!reply.is_error()) {
        one.ran = true;
        return;
    }
    const refusal why = judge_error(reply.text);
    one.asking = false;
    one.again = why.nothing_ran && why.helps != remedy::none;
    one.ran = !why.nothing_ran;
    switch (why.helps) {
        case remedy::none: break;
        case remedy::follow:
        case remedy::ask_other: {
            const auto to = read_redirection(reply.text, of.node);
            // Right behind a move two nodes may each say that it is the other's, until they have
            // talked.
            if (++one.moved > moved_at_once) all.pause = all.look_again = true;
            if (!to) {
                one.again = false;
            } else if (why.helps == remedy::ask_other) {
                one.asking = true;
                one.at = to->to;
            } else {
                table_.assign(to->slot, to->slot, to->to);
                refresh_soon();
            }
            break;
        }
        case remedy::load_functions: all.without_functions.push_back(of.to); break;
        case remedy::reconnect: of.to->renew(); [[fallthrough]];
        case remedy::ask_anyone: all.look_again = true; [[fallthrough]];
        case remedy::ask_again: all.pause = true; break;
    }
}

// A command that is to be sent again must not come behind a later one of its key that ran.
void cluster::keep_order(round& all, const group& of) const {
    for (std::size_t i = 0; i < of.sent.size(); ++i) {
        if (!of.sent[i].again) continue;
        const std::string& key = all.commands[of.sent[i].command].key;
        const bool overtaken = std::any_of(
            of.sent.begin() + static_cast<std::ptrdiff_t>(i) + 1, of.sent.end(),
            [&](const todo& later) { return later.ran && all.commands[later.command].key == key; });
        if (overtaken)
            all.replies[of.sent[i].command] = {.error = LETHE_ERR(errc::outcome_unknown)};
        else
            all.pending.push_back(of.sent[i]);
    }
}

void cluster::sort_out(round& all, std::size_t index, steady_time deadline) {
    group& of = all.groups[index];
    if (of.got.has_value()) {
        const auto bytes = std::make_shared<const std::string>(*std::move(of.got));
        const result<std::vector<resp::value>> values = resp::parse_all(*bytes, of.replies);
        if (values.has_value()) {
            std::size_t at = 0;
            for (std::size_t i = 0; i < of.sent.size(); ++i) {
                if (of.sent[i].asking) ++at;
                all.replies[of.sent[i].command].bytes = bytes;
                sort_out_reply(all, of, i, (*values)[at++]);
            }
            const bool few = of.waits && (!values->back().is_integer() ||
                                          values->back().integer < with_->wait_replicas);
            for (const todo& one : of.sent) {
                keyed_reply& reply = all.replies[one.command];
                // Done here, and lost if this node is lost now.
                if (few && all.commands[one.command].changes && !reply.error &&
                    (reply.value.is_integer() || reply.value.is_list()))
                    reply.error = LETHE_ERR(errc::outcome_unknown);
            }
            keep_order(all, of);
            return;
        }
        of.got = LETHE_ERR(errc::outcome_unknown);
    }
    refresh_soon();
    error_code error = of.got.error();
    if (error == condition::corrupt) error = LETHE_ERR(errc::outcome_unknown);
    for (todo& one : of.sent) {
        all.replies[one.command] = {.error = error};
        if (error != condition::unavailable || past(deadline)) continue;
        // Never sent. Perhaps another node has taken over.
        one.asking = false;
        one.unreachable = true;
        all.look_again = true;
        all.pending.push_back(one);
    }
}

// Before the next sending.
task<> cluster::prepare(std::shared_ptr<round> all, steady_time deadline) {
    const auto missing = std::exchange(all->without_functions, {});
    for (std::size_t i = 0; i < missing.size(); ++i) {
        if (std::find(missing.begin(), missing.begin() + static_cast<std::ptrdiff_t>(i),
                      missing[i]) != missing.begin() + static_cast<std::ptrdiff_t>(i))
            continue;
        const result<> loaded = co_await missing[i]->apply(remedy::load_functions, deadline);
        if (loaded.has_error()) co_return loaded;
    }
    if (std::exchange(all->look_again, false) || !known_) {
        const result<> looked = co_await refresh(deadline);
        if (looked.has_error() && !known_) co_return looked;
    }
    co_return result<>{};
}

task<std::vector<keyed_reply>> cluster::run(std::vector<keyed_command> commands,
                                            steady_time deadline) {
    const std::shared_ptr<cluster> alive = shared_from_this();
    const auto all = std::make_shared<round>();
    all->commands = std::move(commands);
    all->replies.assign(all->commands.size(), {.error = LETHE_ERR(errc::unavailable)});
    for (std::size_t i = 0; i < all->commands.size(); ++i)
        all->pending.push_back({.command = i, .at = {}});
    const steady_time begun = worker_.time().steady_now();
    const steady_time last = std::min(deadline, begun + patience);
    std::chrono::milliseconds pause = pause_first;
    for (std::size_t attempt = 0; !all->pending.empty() && attempt < attempts_max; ++attempt) {
        if (closed_) break;
        if (past(deadline)) {
            for (const todo& one : all->pending)
                all->replies[one.command] = {.error = LETHE_ERR(errc::timeout)};
            break;
        }
        if (std::exchange(all->pause, false)) {
            if (past(last)) break;
            const result<> slept = co_await worker_.time().sleep_until(
                std::min(last, worker_.time().steady_now() + pause));
            if (slept.has_error()) break;
            pause = std::min(2 * pause, pause_last);
        }
        const result<> ready = co_await prepare(all, deadline);
        if (ready.has_error()) break;
        if (closed_) break;
        std::ranges::sort(all->pending, {}, &todo::command);
        send_soon(*all);
        const result<> asked = co_await ask_all(all, deadline);
        static_cast<void>(asked);
        for (std::size_t i = 0; i < all->groups.size(); ++i) sort_out(*all, i, deadline);
    }
    co_return std::move(all->replies);
}

task<std::vector<keyed_reply>> cluster::run_on(std::vector<net::address> nodes, std::string what,
                                               steady_time deadline) {
    const std::shared_ptr<cluster> alive = shared_from_this();
    if (closed_) co_return LETHE_ERR(errc::unavailable);
    const auto all = std::make_shared<round>();
    for (const net::address& node : nodes)
        all->groups.push_back(
            {.node = node, .to = link_to(node), .sent = {}, .request = what, .replies = 1});
    const result<> asked = co_await ask_all(all, deadline);
    static_cast<void>(asked);
    std::vector<keyed_reply> out(nodes.size());
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        group& of = all->groups[i];
        if (of.got.has_error()) {
            out[i].error = of.got.error();
            refresh_soon();
            continue;
        }
        out[i].bytes = std::make_shared<const std::string>(*std::move(of.got));
        const result<resp::value> value = resp::parse(*out[i].bytes);
        if (value.has_error())
            out[i].error = value.error();
        else
            out[i].value = *value;
    }
    co_return out;
}

}  // namespace lethe::store::redis
