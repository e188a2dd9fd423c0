// What a name server answers, read with the C library's parser. No I/O.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lethe::net {

// More of one answer are left out.
inline constexpr std::size_t dns_records_max = 512;

enum class dns_type : std::uint16_t { a = 1, aaaa = 28, srv = 33 };

struct dns_record {
    std::string host;  // a, aaaa: an IP address; srv: the target's name, "." for none
    // Of srv (RFC 2782).
    std::uint16_t priority = 0;
    std::uint16_t weight = 0;
    std::uint16_t port = 0;

    bool operator==(const dns_record&) const = default;
};

// The records of that type among the answers of a whole message. condition::malformed: it is none,
// or such a record is none.
[[nodiscard]] result<std::vector<dns_record>> parse_dns_answer(
    std::span<const unsigned char> message, dns_type type);

}  // namespace lethe::net
