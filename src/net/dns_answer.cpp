#include "net/dns_answer.hpp"

#include "net/errors.hpp"

#include <climits>

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <resolv.h>

#include <array>
#include <optional>

namespace lethe::net {
namespace {

constexpr std::size_t srv_fixed_bytes = 6;

std::optional<std::string> to_address(int family, const ns_rr& from) {
    const std::size_t bytes = family == AF_INET ? 4 : 16;
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (ns_rr_rdlen(from) != bytes) return std::nullopt;
    if (::inet_ntop(family, ns_rr_rdata(from), text.data(), text.size()) == nullptr)
        return std::nullopt;
    return text.data();
}

std::optional<dns_record> to_service(const ns_msg& in, const ns_rr& from) {
    const unsigned char* const data = ns_rr_rdata(from);
    if (ns_rr_rdlen(from) <= srv_fixed_bytes) return std::nullopt;
    std::array<char, NS_MAXDNAME> name{};
    const int used = ::dn_expand(ns_msg_base(in), ns_msg_end(in), data + srv_fixed_bytes,
                                 name.data(), name.size());
    // What dn_expand reads may lie anywhere in the message, its first piece not beyond the record.
    if (used < 0 || static_cast<std::size_t>(used) != ns_rr_rdlen(from) - srv_fixed_bytes)
        return std::nullopt;
    const auto number = [data](std::size_t at) {
        return static_cast<std::uint16_t>(data[at] << 8 | data[at + 1]);
    };
    std::string target = name.data();
    return dns_record{.host = target.empty() ? "." : std::move(target),
                      .priority = number(0),
                      .weight = number(2),
                      .port = number(4)};
}

std::optional<dns_record> to_record(const ns_msg& in, const ns_rr& from, dns_type type) {
    if (type == dns_type::srv) return to_service(in, from);
    std::optional<std::string> address = to_address(type == dns_type::a ? AF_INET : AF_INET6, from);
    if (!address) return std::nullopt;
    return dns_record{.host = *std::move(address)};
}

}  // namespace

result<std::vector<dns_record>> parse_dns_answer(std::span<const unsigned char> message,
                                                 dns_type type) {
    ns_msg in{};
    if (message.size() > NS_MAXMSG ||
        ::ns_initparse(message.data(), static_cast<int>(message.size()), &in) != 0)
        return LETHE_ERR(errc::name_answer_malformed);
    std::vector<dns_record> out;
    const int count = ns_msg_count(in, ns_s_an);
    for (int i = 0; i < count && out.size() < dns_records_max; ++i) {
        ns_rr one{};
        if (::ns_parserr(&in, ns_s_an, i, &one) != 0) return LETHE_ERR(errc::name_answer_malformed);
        if (ns_rr_class(one) != ns_c_in || ns_rr_type(one) != static_cast<int>(type)) continue;
        std::optional<dns_record> record = to_record(in, one, type);
        if (!record) return LETHE_ERR(errc::name_answer_malformed);
        out.push_back(*std::move(record));
    }
    return out;
}

}  // namespace lethe::net
