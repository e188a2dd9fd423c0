#include "store/redis/refusal.hpp"

#include <algorithm>

namespace lethe::store::redis {
namespace {

struct row {
    std::string_view begins;
    refusal means;
};

constexpr refusal not_now{errc::unavailable, remedy::none, true};
constexpr refusal elsewhere{errc::unavailable, remedy::reconnect, true};

constexpr row rows[] = {
    {"ERR Function not found", {errc::unavailable, remedy::load_functions, true}},
    {"NOSCRIPT", {errc::unavailable, remedy::load_functions, true}},
    {"READONLY", elsewhere},
    {"NOAUTH", elsewhere},
    {"WRONGPASS", elsewhere},
    {"MOVED", {errc::unavailable, remedy::follow, true}},
    {"ASK", {errc::unavailable, remedy::ask_other, true}},
    {"TRYAGAIN", {errc::unavailable, remedy::ask_again, true}},
    {"CLUSTERDOWN", {errc::unavailable, remedy::ask_anyone, true}},
    {"LOADING", not_now},
    {"MASTERDOWN", not_now},
    {"BUSY", not_now},
    // Asked before a function runs; what it does then is not refused half-way.
    {"OOM", not_now},
    {"MISCONF", not_now},
    {"NOREPLICAS", not_now},
    // functions.lua takes care that nothing is changed when a step is forbidden.
    {"NOPERM", not_now},
    {"ERR The user executing the script can't run this command", not_now},
    {"EXECABORT", not_now},
    {"ERR unknown command", not_now},
    {"ERR unknown subcommand", not_now},
    {"ERR max number of clients", not_now},
    {"LETHELATE", not_now},
    {"LETHECORRUPT", {errc::corrupt, remedy::none, true}},
    {"WRONGTYPE", {errc::corrupt, remedy::none, true}},
    {"LETHETOOLARGE", {errc::too_large, remedy::none, true}},
};

}  // namespace

refusal judge_error(std::string_view text) noexcept {
    const auto* known =
        std::ranges::find_if(rows, [&](const row& one) { return text.starts_with(one.begins); });
    if (known != std::end(rows)) return known->means;
    // Only what has written nothing yet can be ended that way.
    if (text.find("Script killed by user") != std::string_view::npos) return not_now;
    return {};
}

std::string_view reason_of(std::string_view text) noexcept {
    // Redis repeats words of a command in quotes or behind a comma.
    return text.substr(0, std::min<std::size_t>(text.find_first_of("'`\",\r\n"), 100));
}

}  // namespace lethe::store::redis
