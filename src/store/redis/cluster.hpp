// The nodes of a cluster, as one worker uses them: sends each command to the node that has its key
// and follows when that is another by now.
//
// The rule for sending again: only what a node has refused to run (MOVED, ASK, TRYAGAIN,
// CLUSTERDOWN, READONLY, no functions) or what never left is sent again. All else is final.
#pragma once

#include "store/redis/link.hpp"
#include "store/redis/resp.hpp"
#include "store/redis/slots.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::store::redis {

struct keyed_command {
    std::string key;    // as the server has it; its slot decides
    std::string bytes;  // one command, one reply
    bool changes = false;
};

struct keyed_reply {
    error_code error;  // where there is no reply, as pipeline::ask
    // A refusal that time did not help, where it is an error.
    resp::value value = {};
    std::shared_ptr<const std::string> bytes = {};  // what `value` views
};

// One worker; shared with the coroutines under way in it.
class cluster : public std::enable_shared_from_this<cluster> {
 public:
    cluster(net::worker& on, std::shared_ptr<const settings> with,
            std::shared_ptr<const greeting> greet, open_options limits,
            std::shared_ptr<metrics::registry> registry);

    // A reply for each command, in their order. Commands of one key keep their order; commands of
    // all nodes are sent at once.
    [[nodiscard]] task<std::vector<keyed_reply>> run(std::vector<keyed_command> commands,
                                                     steady_time deadline);
    // The same command for each of the nodes.
    [[nodiscard]] task<std::vector<keyed_reply>> run_on(std::vector<net::address> nodes,
                                                        std::string command, steady_time deadline);
    // Asks the nodes who has which slots. unavailable: none of them says it.
    [[nodiscard]] task<> refresh(steady_time deadline);
    // Known after a refresh or a run().
    [[nodiscard]] const slot_table& table() const noexcept { return table_; }
    // The primaries; asks when they are not known.
    [[nodiscard]] task<std::vector<net::address>> primaries(steady_time deadline);

    [[nodiscard]] net::worker& worker() const noexcept { return worker_; }
    [[nodiscard]] bool past(steady_time deadline) const;
    // Nothing is begun any more.
    void close() noexcept;

 private:
    struct round;
    struct group;

    [[nodiscard]] std::shared_ptr<link> link_to(const net::address& node);
    [[nodiscard]] static task<> ask(std::shared_ptr<round> all, std::size_t index,
                                    steady_time deadline);
    [[nodiscard]] task<> ask_all(std::shared_ptr<round> all, steady_time deadline);
    void sort_out(round& all, std::size_t group, steady_time deadline);
    void sort_out_reply(round& all, group& of, std::size_t place, const resp::value& reply);
    void keep_order(round& all, const group& of) const;
    [[nodiscard]] task<> prepare(std::shared_ptr<round> all, steady_time deadline);
    void send_soon(round& all);
    [[nodiscard]] task<slot_table> ask_for_slots(net::address node, steady_time deadline);
    [[nodiscard]] static task<> refresh_aside(std::shared_ptr<cluster> self);
    void refresh_soon();

    net::worker& worker_;
    std::shared_ptr<const settings> with_;
    std::shared_ptr<const greeting> greet_;
    open_options limits_;
    std::shared_ptr<metrics::registry> registry_;
    slot_table table_;
    bool known_ = false;
    bool closed_ = false;
    bool refreshing_ = false;
    std::uint64_t refreshes_ = 0;
    steady_time refreshed_ = steady_time::min();
    std::size_t next_asked_ = 0;
    std::map<std::string, std::shared_ptr<link>> links_;
};

}  // namespace lethe::store::redis
