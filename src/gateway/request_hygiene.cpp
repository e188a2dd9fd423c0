#include "gateway/request_hygiene.hpp"

#include "base/bytes.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace lethe::gateway {
namespace {

using http::field_id;
using http::field_line;

bool is_forwarding(field_id id) {
    return id == field_id::forwarded || id == field_id::x_forwarded_for ||
           id == field_id::x_forwarded_host || id == field_id::x_forwarded_proto ||
           id == field_id::client_cert || id == field_id::client_cert_chain;
}

// RFC 9440 section 2.4: what stands there is the client's of this connection, or nothing.
void say_client_certificate(http::exchange& x) {
    x.request.header.remove(field_id::client_cert);
    x.request.header.remove(field_id::client_cert_chain);
    x.request.header.append_borrowed("Client-Cert", x.client_certificate);
    if (!x.client_certificate_chain.empty())
        x.request.header.append_borrowed("Client-Cert-Chain", x.client_certificate_chain);
}

bool is_lower_hex(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// "00" to "ff", one after another.
constexpr auto hex_pairs = [] {
    constexpr std::string_view digits = "0123456789abcdef";
    std::array<char, 512> out{};
    for (std::size_t i = 0; i < 256; ++i) {
        out[2 * i] = digits[i / 16];
        out[2 * i + 1] = digits[i % 16];
    }
    return out;
}();

// 16 digits.
void write_hex(char* to, std::uint64_t value) {
    for (int shift = 56; shift >= 0; shift -= 8, to += 2)
        std::memcpy(to, hex_pairs.data() + 2 * ((value >> shift) & 255), 2);
}

bool all_zero(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c == '0'; });
}

}  // namespace

bool trusted_peers::contains(std::string_view address) const {
    if (networks_.empty()) return false;
    if (address == "unix:") return std::ranges::any_of(networks_, &config::network::unix_peers);
    const auto one = config::parse_ip_address(address);
    return one && std::any_of(networks_.begin(), networks_.end(),
                              [&one](const config::network& n) { return n.contains(*one); });
}

void clean_request(http::exchange& x, const trusted_peers& trusted) {
    bool any = false;
    for (const field_line& line : x.request.header)
        any |= line.id == field_id::lethe || is_forwarding(line.id);
    if (any) {
        const bool believed = trusted.contains(x.remote_address);
        x.request.header.remove_if([believed](const field_line& line) {
            return line.id == field_id::lethe || (!believed && is_forwarding(line.id));
        });
    }
    if (!x.client_certificate.empty()) say_client_certificate(x);
}

void clean_answer_for_client(http::exchange& x) {
    x.response.header.remove_if([](const field_line& line) {
        constexpr std::string_view family = "lethe-session";
        return line.id == field_id::lethe &&
               (equal_ignoring_case(line.name.substr(0, family.size()), family) ||
                equal_ignoring_case(line.name, "Lethe-Original-Status"));
    });
}

// https://www.w3.org/TR/trace-context/#traceparent-header: version-traceid-parentid-flags. Later
// versions may append; what is known of them has the same form.
bool is_traceparent(std::string_view text) {
    if (text.size() < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
    const std::string_view version = text.substr(0, 2);
    if (version == "ff" || (version == "00" && text.size() != 55) ||
        (text.size() > 55 && text[55] != '-'))
        return false;
    const std::string_view trace = text.substr(3, 32);
    const std::string_view parent = text.substr(36, 16);
    return is_lower_hex(version) && is_lower_hex(trace) && is_lower_hex(parent) &&
           is_lower_hex(text.substr(53, 2)) && !all_zero(trace) && !all_zero(parent);
}

std::string_view ensure_traceparent(http::exchange& x, std::uint64_t random_a,
                                    std::uint64_t random_b, std::uint64_t random_c) {
    const auto given = x.request.header.first(field_id::traceparent);
    if (given && is_traceparent(*given) && x.request.header.count(field_id::traceparent) == 1)
        return given->substr(3, 32);
    // A new trace; tracestate belonged to the one that was not valid.
    if (given) {
        x.request.header.remove(field_id::traceparent);
        x.request.header.remove(field_id::tracestate);
    }
    // Sampled: lethe does not decide what is recorded, and "not sampled" would forbid it to those
    // behind.
    std::array<char, 55> text;
    constexpr std::string_view form = "00-00000000000000000000000000000000-0000000000000000-01";
    form.copy(text.data(), text.size());
    write_hex(text.data() + 3, random_a | 1);
    write_hex(text.data() + 19, random_b);
    write_hex(text.data() + 36, random_c | 1);
    const std::string_view made = x.memory().copy({text.data(), text.size()});
    x.request.header.append_borrowed("traceparent", made);
    return made.substr(3, 32);
}

}  // namespace lethe::gateway
