// Which node of a cluster has which key, as far as is known. No sockets.
#pragma once

#include "net/address.hpp"
#include "store/redis/resp.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::store::redis {

inline constexpr std::size_t slots = 16384;

// CRC16 (XMODEM) of the key, or of what stands between its first '{' and the next '}', if anything
// does.
[[nodiscard]] std::uint16_t slot_of(std::string_view key) noexcept;

// The primary of each slot.
class slot_table {
 public:
    static constexpr std::uint16_t nobody = UINT16_MAX;

    slot_table() : owner_(slots, nobody) {}

    [[nodiscard]] const std::vector<net::address>& nodes() const noexcept { return nodes_; }
    // nullptr: nobody serves it.
    [[nodiscard]] const net::address* owner_of(std::uint16_t slot) const noexcept;
    void assign(std::uint16_t first, std::uint16_t last, const net::address& to);
    [[nodiscard]] bool complete() const noexcept;
    // Other where one slot is another node's.
    [[nodiscard]] bool operator==(const slot_table& other) const noexcept;
    // Of the assignment: the same for equal tables.
    [[nodiscard]] std::uint64_t fingerprint() const;

 private:
    std::vector<net::address> nodes_;
    std::vector<std::uint16_t> owner_;
};

// The reply of CLUSTER SLOTS. A node that does not say where it is, is the one that was asked.
[[nodiscard]] result<slot_table> read_slots(const resp::value& reply, const net::address& asked);

struct redirection {
    std::uint16_t slot = 0;
    net::address to;
};
// "MOVED 3999 127.0.0.1:6381", "ASK 3999 127.0.0.1:6381"
[[nodiscard]] std::optional<redirection> read_redirection(std::string_view error,
                                                          const net::address& asked);

}  // namespace lethe::store::redis
