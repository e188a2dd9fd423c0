// The table of `routes[].limits[]`.
#include "gateway/config/tables.hpp"
#include "http/fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace lethe::gateway::config {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr std::uint32_t rate_max = 100'000;  // in a second

constexpr std::pair<std::string_view, std::chrono::seconds> periods[] = {
    {"s", 1s}, {"min", 1min}, {"h", 1h}, {"d", 24h}};

std::optional<limits::rate> parse_rate(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == text.npos) return std::nullopt;
    limits::rate out;
    const char* const end = text.data() + slash;
    const auto [read, failure] = std::from_chars(text.data(), end, out.count);
    if (failure != std::errc{} || read != end || out.count == 0) return std::nullopt;
    for (const auto& [unit, period] : periods)
        if (unit == text.substr(slash + 1)) {
            out.period = period;
            const bool too_fast = out.count / static_cast<std::uint64_t>(period.count()) > rate_max;
            return too_fast ? std::nullopt : std::optional(out);
        }
    return std::nullopt;
}

codec<limits::rate> rate_codec() {
    const std::string words = "a rate such as 100/s, 1000/min, 50/h or 10/d, up to 100000/s";
    return {
        {.kind = value_kind::text, .words = words, .pattern = "^[1-9][0-9]*/(s|min|h|d)$|\\$\\{"},
        [words](reader& with, const place& at, limits::rate& to) {
            if (want_scalar(with, at, words) == nullptr) return;
            const auto given = parse_rate(at.value.text);
            if (!given) return with.fail_value(at, "is not a rate", words);
            to = *given;
        },
        [](const limits::rate&) { return boost::json::value(); }};
}

constexpr std::string_view field_prefix = "field ";

codec<limits::client_source> client_codec() {
    using limits::client_rule;
    const std::string words = "address, caller, session, or field and a field's name";
    static constexpr std::pair<std::string_view, client_rule> names[] = {
        {"address", client_rule::address},
        {"caller", client_rule::caller},
        {"session", client_rule::session}};
    return {{.kind = value_kind::text,
             .words = words,
             .pattern = "^(address|caller|session|field [!#$%&'*+.^_`|~0-9A-Za-z-]+)$|\\$\\{"},
            [words](reader& with, const place& at, limits::client_source& to) {
                if (want_scalar(with, at, words) == nullptr) return;
                const std::string_view given = at.value.text;
                for (const auto& [name, rule] : names)
                    if (name == given) {
                        to = {rule, {}};
                        return;
                    }
                const std::string_view field =
                    given.starts_with(field_prefix) ? given.substr(field_prefix.size()) : "";
                if (!http::is_token(field))
                    return with.fail_value(at, "is nothing to tell clients apart by", words);
                to = {client_rule::field, std::string(field)};
            },
            [](const limits::client_source& value) -> boost::json::value {
                for (const auto& [name, rule] : names)
                    if (rule == value.by) return boost::json::value(name);
                return nullptr;
            }};
}

bool is_limit_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    });
}

void add_store_options(table<limits::options>& t) {
    using limits::options;
    using limits::store_down_rule;
    t.add({.name = "store",
           .text = "Which of the named stores counts, for all gateways that share it. Without it "
                   "each gateway counts for itself.",
           .example = "default"},
          &options::store, text("the name of a store"));
    t.add({.name = "store_down",
           .text = "When the store cannot be asked. `local`: each gateway holds the limit by "
                   "itself. `refuse`: 503.",
           .example = "refuse"},
          &options::store_down,
          choice<store_down_rule>(
              {{"local", store_down_rule::local}, {"refuse", store_down_rule::refuse}}));
    t.add({.name = "store_timeout",
           .text = "How long a request waits for the store.",
           .example = "100ms"},
          &options::store_timeout, duration<milliseconds>(10ms, 10s));
}

}  // namespace

const table<limits::options>& limit_table() {
    using limits::options;
    static const table<options> made = [] {
        table<options> t("limit", "`routes[].limits[]`",
                         "How many requests one client may send. One that sends more gets 429 with "
                         "`Retry-After` ([limits](limits.md)).");
        t.add({.name = "rate",
               .text = "So many requests in a second (`s`), minute (`min`), hour (`h`) or day "
                       "(`d`), evenly spread.",
               .example = "100/s",
               .required = true},
              &options::pace, rate_codec());
        t.add({.name = "burst",
               .text = "So many at once. What the rate brings in a second without it, and 1 at "
                       "least.",
               .example = "50"},
              &options::burst, optional_of(integer<std::uint32_t>(1, 1'000'000)));
        t.add({.name = "by",
               .text = "Who is one client. `address`: the peer's, an IPv6 address by its first 64 "
                       "bits. `caller`: whom the token names. `session`. `field X-Api-Key`: the "
                       "value of a field. Who has no such thing counts by address.",
               .example = "caller"},
              &options::by, client_codec());
        t.add({.name = "name",
               .text = "What clients and the store know it by. Made of `by` without it: `caller`.",
               .example = "per-hour"},
              &options::name,
              text("a name of up to 64 letters, digits, -, _ and .", is_limit_name));
        t.add({.name = "headers",
               .text = "Answers tell what is left, in `RateLimit` and `RateLimit-Policy`.",
               .example = "true"},
              &options::headers, boolean());
        add_store_options(t);
        t.add({.name = "clients_max",
               .text = "So many clients are told apart at a time, in 8 bytes each; rounded up to a "
                       "power of two.",
               .example = "1000000"},
              &options::clients_max, integer<std::uint32_t>(8, 16'777'216));
        return t;
    }();
    return made;
}

}  // namespace lethe::gateway::config
