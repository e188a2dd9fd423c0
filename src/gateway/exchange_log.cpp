#include "gateway/exchange_log.hpp"

#include "base/log.hpp"

#include <fmt/format.h>

#include <iterator>

namespace lethe::gateway {
namespace {

const char* name_of(http::upstream_outcome outcome) {
    switch (outcome) {
        case http::upstream_outcome::not_asked: return "not_asked";
        case http::upstream_outcome::not_sent: return "not_sent";
        case http::upstream_outcome::answered: return "answered";
        case http::upstream_outcome::unknown: return "unknown";
    }
    return "";
}

void append(std::string& out, std::string_view name, std::string_view value) {
    if (value.empty()) return;
    out += ",\"";
    out += name;
    out += "\":";
    log::append_json_string(out, value);
}

}  // namespace

exchange_log::exchange_log(lethe::metrics::registry& in, clock& time)
    : registry_(in), clock_(time), none_(make("none")) {}

exchange_log::route_metrics exchange_log::make(const std::string& route) {
    static constexpr std::array<const char*, 6> classes = {"none", "1xx", "2xx",
                                                           "3xx",  "4xx", "5xx"};
    route_metrics out{route, {}, nullptr};
    for (std::size_t i = 0; i < classes.size(); ++i)
        out.by_class[i] = &registry_.make_counter(
            "lethe_gateway_requests_total", "Requests, by route and class of the answer's status.",
            {{"route", route}, {"status", classes[i]}});
    out.duration = &registry_.make_histogram(
        "lethe_gateway_request_duration_seconds",
        "From the end of a request's head to the end of its answer.", {{"route", route}});
    return out;
}

void exchange_log::use_routes(std::span<const std::string> names) {
    routes_.clear();
    for (const std::string& name : names) routes_.push_back(make(name));
}

void exchange_log::finished(const http::exchange& x, int status, std::uint64_t body_bytes,
                            bool complete) {
    const bool known =
        x.route && *x.route < routes_.size() && routes_[*x.route].name == x.route_name;
    route_metrics& m = known ? routes_[*x.route] : none_;
    const double seconds = std::chrono::duration<double>(clock_.steady_now() - x.started).count();
    const int status_class = status / 100;
    m.by_class[static_cast<std::size_t>(status_class >= 1 && status_class <= 5 ? status_class : 0)]
        ->add();
    m.duration->observe(seconds);
    if (!x.problem.empty()) count_problem(x.problem);
    if (log_access_) write_access_line(x, status, body_bytes, complete, seconds);
}

void exchange_log::count_problem(std::string_view slug) {
    lethe::metrics::counter*& count = problems_[slug];
    if (count == nullptr)
        count = &registry_.make_counter("lethe_gateway_problems_total",
                                        "Answers that were problem details, by type.",
                                        {{"type", std::string(slug)}});
    count->add();
}

void exchange_log::write_access_line(const http::exchange& x, int status, std::uint64_t body_bytes,
                                     bool complete, double seconds) const {
    std::string line = "{\"time\":\"";
    line += log::timestamp_now();
    line += "\",\"event\":\"access\"";
    append(line, "remote", x.remote_address);
    append(line, "method", x.request.method_text);
    append(line, "host", x.request.authority);
    // Without the query, which may hold what must not be logged.
    append(line, "path", x.request.path);
    fmt::format_to(std::back_inserter(line), ",\"status\":{},\"bytes\":{},\"duration_ms\":{:.3f}",
                   status, body_bytes, seconds * 1000);
    append(line, "route", x.route_name);
    append(line, "upstream", x.upstream_name);
    append(line, "replica", x.replica);
    if (x.upstream_tries > 1)
        fmt::format_to(std::back_inserter(line), ",\"tries\":{}", x.upstream_tries);
    append(line, "outcome", name_of(x.outcome));
    append(line, "problem", x.problem);
    if (x.replayed) line += ",\"replayed\":true";
    if (!complete) line += ",\"complete\":false";
    if (const auto trace = x.request.header.first(http::field_id::traceparent);
        trace && trace->size() >= 35)
        append(line, "trace", trace->substr(3, 32));
    line += '}';
    log::access_line(line);
}

}  // namespace lethe::gateway
