// Which server is the primary, as the sentinels say it.
//
// They are asked whenever a connection is made, one after the other until one knows; whoever
// answered is asked first the next time. While the store is used they are asked once a second, too:
// a primary that is frozen or cut off keeps its connections.
#pragma once

#include "store/redis/link.hpp"

#include <deque>
#include <memory>
#include <string>

namespace lethe::store::redis {

// One worker; shared with the coroutines that ask.
class primary_watch : public std::enable_shared_from_this<primary_watch> {
 public:
    primary_watch(std::shared_ptr<const settings> with, std::string store_name);

    // Connects to the primary, wherever it is then.
    [[nodiscard]] static connector connector_of(std::shared_ptr<primary_watch> watch);

    // True once after another server has become the primary. Asks in the background when that was
    // a while ago.
    [[nodiscard]] bool moved(net::worker& on);

 private:
    [[nodiscard]] static task<net::stream> connect(std::shared_ptr<primary_watch> self,
                                                   net::worker& on, steady_time deadline);
    [[nodiscard]] static task<> look(std::shared_ptr<primary_watch> self, net::worker& on);
    [[nodiscard]] task<net::address> find(net::worker& on, steady_time deadline);
    [[nodiscard]] task<net::address> ask(net::worker& on, net::address sentinel,
                                         steady_time deadline);

    std::shared_ptr<const settings> with_;
    std::string store_name_;
    std::deque<net::address> sentinels_;  // who answered last is first
    net::address primary_;                // where the last connection went to
    bool moved_ = false;
    bool looking_ = false;
    steady_time looked_ = steady_time::min();
};

// What a sentinel says to SENTINEL get-master-addr-by-name: unavailable when it knows of none.
[[nodiscard]] result<net::address> read_primary(std::string_view reply);

}  // namespace lethe::store::redis
