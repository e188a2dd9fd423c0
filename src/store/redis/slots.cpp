#include "store/redis/slots.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace lethe::store::redis {
namespace {

constexpr std::uint16_t polynomial = 0x1021;
constexpr std::size_t nodes_max = 4096;

constexpr std::array<std::uint16_t, 256> make_crc_table() {
    std::array<std::uint16_t, 256> out{};
    for (unsigned byte = 0; byte < 256; ++byte) {
        auto crc = static_cast<std::uint16_t>(byte << 8);
        for (int bit = 0; bit < 8; ++bit)
            crc =
                static_cast<std::uint16_t>((crc & 0x8000) != 0 ? crc << 1 ^ polynomial : crc << 1);
        out[byte] = crc;
    }
    return out;
}
constexpr std::array<std::uint16_t, 256> crc_table = make_crc_table();

template <class Number>
std::optional<Number> to_number(std::string_view text, Number most) noexcept {
    Number out = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (failed != std::errc{} || end != text.data() + text.size() || out > most)
        return std::nullopt;
    return out;
}

bool is_slot(const resp::value& one) noexcept {
    return one.is_integer() && one.integer >= 0 && one.integer < static_cast<int>(slots);
}

}  // namespace

std::uint16_t slot_of(std::string_view key) noexcept {
    const std::size_t open = key.find('{');
    if (open != std::string_view::npos) {
        const std::size_t close = key.find('}', open + 1);
        if (close != std::string_view::npos && close != open + 1)
            key = key.substr(open + 1, close - open - 1);
    }
    std::uint16_t crc = 0;
    for (const char one : key)
        crc = static_cast<std::uint16_t>(
            crc << 8 ^ crc_table[(crc >> 8 ^ static_cast<unsigned char>(one)) & 0xff]);
    return crc % slots;
}

const net::address* slot_table::owner_of(std::uint16_t slot) const noexcept {
    return owner_[slot] == nobody ? nullptr : &nodes_[owner_[slot]];
}

void slot_table::assign(std::uint16_t first, std::uint16_t last, const net::address& to) {
    auto at = std::ranges::find(nodes_, to);
    if (at == nodes_.end()) at = nodes_.insert(nodes_.end(), to);
    std::fill(owner_.begin() + first, owner_.begin() + last + 1,
              static_cast<std::uint16_t>(at - nodes_.begin()));
}

bool slot_table::complete() const noexcept {
    return std::ranges::find(owner_, nobody) == owner_.end();
}

bool slot_table::operator==(const slot_table& other) const noexcept {
    for (std::size_t i = 0; i < slots; ++i) {
        const net::address* mine = owner_of(static_cast<std::uint16_t>(i));
        const net::address* theirs = other.owner_of(static_cast<std::uint16_t>(i));
        if ((mine == nullptr) != (theirs == nullptr) || (mine != nullptr && *mine != *theirs))
            return false;
    }
    return true;
}

std::uint64_t slot_table::fingerprint() const {
    // FNV-1a over the runs of slots and where they are.
    std::uint64_t out = 0xcbf29ce484222325;
    const auto mix = [&](std::string_view bytes) {
        for (const char one : bytes) out = (out ^ static_cast<unsigned char>(one)) * 0x100000001b3;
    };
    for (std::size_t i = 0; i < slots; ++i) {
        if (i != 0 && owner_[i] == owner_[i - 1]) continue;
        mix(std::to_string(i) + "=");
        if (owner_[i] != nobody) mix(net::to_text(nodes_[owner_[i]]));
    }
    return out;
}

result<slot_table> read_slots(const resp::value& reply, const net::address& asked) {
    if (!reply.is_list()) return LETHE_ERR(errc::corrupt);
    slot_table out;
    for (const resp::value& range : reply.items) {
        if (range.items.size() < 3 || !is_slot(range.items[0]) || !is_slot(range.items[1]) ||
            range.items[0].integer > range.items[1].integer || range.items[2].items.size() < 2)
            return LETHE_ERR(errc::corrupt);
        const resp::value& host = range.items[2].items[0];
        const resp::value& port = range.items[2].items[1];
        if (!port.is_integer() || port.integer <= 0 || port.integer > UINT16_MAX)
            return LETHE_ERR(errc::corrupt);
        const bool told = host.is_text() && !host.text.empty() && host.text != "?";
        out.assign(
            static_cast<std::uint16_t>(range.items[0].integer),
            static_cast<std::uint16_t>(range.items[1].integer),
            {told ? std::string(host.text) : asked.host, static_cast<std::uint16_t>(port.integer)});
        if (out.nodes().size() > nodes_max) return LETHE_ERR(errc::corrupt);
    }
    return out;
}

std::optional<redirection> read_redirection(std::string_view error, const net::address& asked) {
    const std::size_t first = error.find(' ');
    const std::size_t second = error.find(' ', first == error.npos ? first : first + 1);
    if (second == std::string_view::npos) return std::nullopt;
    const auto slot = to_number<std::uint16_t>(error.substr(first + 1, second - first - 1),
                                               static_cast<std::uint16_t>(slots - 1));
    const std::string_view place = error.substr(second + 1);
    const std::size_t colon = place.rfind(':');
    if (!slot || colon == std::string_view::npos) return std::nullopt;
    const auto port = to_number<std::uint16_t>(place.substr(colon + 1), UINT16_MAX);
    if (!port || *port == 0) return std::nullopt;
    const std::string_view host = place.substr(0, colon);
    return redirection{*slot,
                       {host.empty() || host == "?" ? asked.host : std::string(host), *port}};
}

}  // namespace lethe::store::redis
