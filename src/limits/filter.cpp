#include "limits/filter.hpp"

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "limits/problems.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>

#include <algorithm>

namespace lethe::limits {
namespace {

constexpr std::chrono::seconds retry_without_store{1};
constexpr std::string_view separator("\0", 1);

task<> answered() {
    co_return result<>{};
}

// Whoever has one IPv6 address has 2^64 of them (RFC 6177).
std::string_view of_address(http::exchange& x) {
    constexpr std::size_t network_bytes = 8;
    const std::string_view text = x.remote_address;
    std::array<char, INET6_ADDRSTRLEN> copy{};
    std::array<char, 16> bytes{};
    const bool is_v6 = text.find(':') != std::string_view::npos && text.size() < copy.size();
    if (is_v6) std::copy(text.begin(), text.end(), copy.begin());
    if (!is_v6 || inet_pton(AF_INET6, copy.data(), bytes.data()) != 1)
        return x.memory().concat({"a", text});
    // "::ffff:192.0.2.1" is an IPv4 address.
    static constexpr std::array<char, 12> mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '\xff', '\xff'};
    if (std::equal(mapped.begin(), mapped.end(), bytes.begin()))
        return x.memory().concat({"a", text.substr(text.rfind(':') + 1)});
    return x.memory().concat({"6", {bytes.data(), network_bytes}});
}

// In the exchange's memory. No two clients have the same text, whatever they are known by.
std::string_view client_of(http::exchange& x, const client_source& by) {
    switch (by.by) {
        case client_rule::address: break;
        case client_rule::caller:
            if (x.principal)
                return x.memory().concat(
                    {"c", x.principal->issuer, separator, x.principal->subject});
            break;
        case client_rule::session:
            if (x.session && !x.session->pseudonym.empty())
                return x.memory().concat({"s", x.session->pseudonym});
            break;
        case client_rule::field:
            if (const auto value = x.request.header.first(by.field))
                return x.memory().concat({"f", *value});
            break;
    }
    return of_address(x);
}

std::string to_policy(const options& of, const pace& by) {
    return fmt::format("\"{}\";q={};w={}", of.name, by.burst,
                       std::chrono::ceil<std::chrono::seconds>(by.depth()).count());
}

std::string to_text(const rate& of) {
    const char* unit = "s";
    if (of.period == std::chrono::minutes(1)) unit = "min";
    if (of.period == std::chrono::hours(1)) unit = "h";
    if (of.period == std::chrono::hours(24)) unit = "d";
    return fmt::format("{}/{}", of.count, unit);
}

}  // namespace

std::string derived_name(const client_source& by) {
    switch (by.by) {
        case client_rule::address: return "address";
        case client_rule::caller: return "caller";
        case client_rule::session: return "session";
        case client_rule::field: return "field-" + to_lower(by.field);
    }
    return {};
}

limit::limit(options from, std::shared_ptr<client_table> shared, store::store* counted_in,
             clock& time)
    : what(std::move(from)), pace(make_pace(what)), clients(std::move(shared)) {
    if (what.name.empty()) what.name = derived_name(what.by);
    if (counted_in != nullptr) stored = std::make_unique<stored_count>(*counted_in, time);
    policy = to_policy(what, pace);
}

filter::filter(std::vector<limit> all, std::string route, metrics counts)
    : limits_(std::move(all)), route_(std::move(route)), counts_(counts) {
    LETHE_ASSERT(limits_.size() <= limits_per_route_max);
    for (const limit& one : limits_) {
        asks_store_ |= one.stored != nullptr;
        says_headers_ |= one.what.headers;
    }
}

// No coroutine of its own where nothing has to be awaited or added.
task<> filter::handle(http::exchange& x, http::next rest) {
    if (asks_store_ || says_headers_) return handle_with_more(x, rest);
    verdicts found;
    if (!admit_here(x, found)) return answered();
    return rest(x);
}

task<> filter::handle_with_more(http::exchange& x, http::next rest) {
    verdicts found;
    bool admitted = admit_here(x, found);
    for (std::size_t i = 0; admitted && asks_store_ && i < limits_.size(); ++i) {
        if (!limits_[i].stored) continue;
        const result<word> said = co_await ask_store(x, limits_[i], found[i]);
        if (said.has_error()) co_return said.error();
        admitted = *said == word::admitted;
        if (!admitted) give_back(x, limits_.size(), i);
    }
    if (admitted) {
        const result<> done = co_await rest(x);
        if (done.has_error()) co_return done.error();
    }
    if (says_headers_) say_headers(x, found);
    co_return result<>{};
}

// A stored limit is held here too: what one gateway alone has seen too much of is too much, and
// costs no round trip.
bool filter::admit_here(http::exchange& x, verdicts& found) {
    const steady_time now = x.time().steady_now();
    for (std::size_t i = 0; i < limits_.size(); ++i) {
        const limit& one = limits_[i];
        const client_table::taken taken =
            one.clients->take(client_of(x, one.what.by), one.pace, now);
        found[i] = taken.what;
        if (taken.displaced) counts_.displaced.add();
        if (taken.what.admitted) continue;
        give_back(x, i, i);
        refuse(x, one, taken.what);
        return false;
    }
    return true;
}

// What one limit refuses does not count in the others of this gateway: the first `counted` of them.
void filter::give_back(http::exchange& x, std::size_t counted, std::size_t refused_by) {
    for (std::size_t i = 0; i < counted; ++i)
        if (i != refused_by)
            limits_[i].clients->give_back(client_of(x, limits_[i].what.by), limits_[i].pace,
                                          x.time().steady_now());
}

task<filter::word> filter::ask_store(http::exchange& x, limit& one, verdict& found) {
    const steady_time deadline =
        std::min(x.deadline, x.time().steady_now() + one.what.store_timeout);
    std::string key = stored_count::make_key(route_, one.what.name, client_of(x, one.what.by));
    const result<stored_count::answer> got =
        co_await one.stored->take(std::move(key), one.pace, deadline);
    if (got.has_error()) co_return got.error();
    if (got->conflicts > 0) counts_.store_conflicts.add(got->conflicts);
    using kind = stored_count::answer::kind;
    if (got->how == kind::decided) {
        found = got->what;
        if (found.admitted) co_return word::admitted;
        refuse(x, one, found);
        co_return word::refused;
    }
    counts_.store_unusable.add();
    // Contended: the limit of this gateway alone has admitted it, which is near enough.
    if (got->how == kind::contended || one.what.store_down == store_down_rule::local)
        co_return word::admitted;
    http::answer_problem(x, problems::count_unavailable, {.retry_after = retry_without_store});
    co_return word::refused;
}

void filter::refuse(http::exchange& x, const limit& one, const verdict& found) {
    counts_.refused.add();
    const std::string detail = fmt::format("The limit {} is {}, {} at once", one.what.name,
                                           to_text(one.what.pace), one.pace.burst);
    http::answer_problem(x, problems::rate_exceeded,
                         {.detail = detail, .retry_after = whole_seconds(found.retry_after)});
}

// draft-ietf-httpapi-ratelimit-headers-09: the quota is the burst, its window how long a whole
// burst takes to come back. Limits that were not asked, because another refused, are left out.
void filter::say_headers(http::exchange& x, const verdicts& found) const {
    for (std::size_t i = 0; i < limits_.size(); ++i) {
        const verdict& one = found[i];
        if (!limits_[i].what.headers || (!one.admitted && one.retry_after == nanoseconds(0)))
            continue;
        x.response.header.add("RateLimit-Policy", limits_[i].policy);
        x.response.header.add(
            "RateLimit", fmt::format("\"{}\";r={};t={}", limits_[i].what.name, one.remaining,
                                     std::chrono::ceil<std::chrono::seconds>(one.full_in).count()));
    }
}

}  // namespace lethe::limits
