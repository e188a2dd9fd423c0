// All addresses that a name has, for those who use each of them. To connect to any of them see
// stream.hpp.
#pragma once

#include "base/clock.hpp"
#include "base/task.hpp"
#include "net/address.hpp"
#include "net/worker.hpp"

#include <optional>
#include <string>
#include <vector>

namespace lethe::net {

enum class name_kind : std::uint8_t {
    host,     // A and AAAA records
    service,  // SRV records (RFC 2782) and the addresses of their targets
};

struct name_question {
    std::string name;
    name_kind kind = name_kind::host;
    // The name server, by its IP address; nullopt: the system's way, hosts file and search list
    // included.
    std::optional<address> server = {};
};

struct named_address {
    std::string host;  // an IP address
    // Of services.
    std::uint16_t port = 0;
    std::uint16_t weight = 0;

    bool operator==(const named_address&) const = default;
    auto operator<=>(const named_address&) const = default;
};

// At least one, in order, none twice. Of services those of the lowest priority. Asked on a thread
// beside the worker, which may be busy with it for some seconds after the deadline. Errors:
// unknown_host (it has no addresses), name_server_failed, name_answer_malformed, timeout, cancelled
// (the worker stops).
[[nodiscard]] task<std::vector<named_address>> look_up_all(worker& on, name_question what,
                                                           steady_time deadline);

}  // namespace lethe::net
