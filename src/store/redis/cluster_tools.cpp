// What tools ask of a cluster: all of its nodes.
#include "store/redis/cluster_store.hpp"
#include "store/redis/examine.hpp"
#include "store/redis/functions.hpp"
#include "store/redis/scan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace lethe::store::redis {
namespace {

using resp::command;

constexpr std::size_t due_at_once = 500;

// How far a scan of all nodes came.
struct cluster_cursor {
    std::uint64_t fingerprint = 0;  // of the slots when it began
    std::string node;
    scan_cursor within;
};

std::string to_text(const cluster_cursor& at) {
    std::string out;
    command(out, 3)
        .word(std::to_string(at.fingerprint))
        .word(at.node)
        .word(at.within.begun ? to_text(at.within) : "");
    return out;
}

result<cluster_cursor> parse_cluster_cursor(std::string_view text) {
    const result<resp::value> parts = resp::parse(text);
    if (parts.has_error() || parts->items.size() != 3) return LETHE_ERR(errc::malformed);
    cluster_cursor out;
    const std::string_view number = parts->items[0].text;
    std::from_chars(number.data(), number.data() + number.size(), out.fingerprint);
    out.node = parts->items[1].text;
    LETHE_TRY(scan_cursor within, parse_scan_cursor(parts->items[2].text));
    out.within = std::move(within);
    return out;
}

std::vector<std::string> names_of(const std::vector<net::address>& nodes) {
    std::vector<std::string> out;
    for (const net::address& one : nodes) out.push_back(net::to_text(one));
    std::ranges::sort(out);
    return out;
}

void merge(examination& into, const net::address& node, const examination& one, bool first) {
    if (first) {
        into.server = one.server + " cluster";
        into.promises = one.promises;
        into.survives_failover = one.survives_failover;
    }
    into.promises.durable = into.promises.durable && one.promises.durable;
    into.promises.may_evict = into.promises.may_evict || one.promises.may_evict;
    into.survives_failover = into.survives_failover && one.survives_failover;
    for (const finding& each : one.findings)
        into.findings.push_back(
            {each.how_bad, fmt::format("{}: {}", net::to_text(node), each.what), each.advice});
}

}  // namespace

task<> cluster_store::ping(steady_time deadline) {
    const gate::pass inside(*parts_.calls);
    error_code error = LETHE_ERR(errc::unavailable);
    if (inside) {
        const result<std::vector<net::address>> nodes = co_await cluster_->primaries(deadline);
        if (nodes.has_error()) error = nodes.error();
        if (nodes.has_value()) {
            std::string request;
            command(request, 1).word("PING");
            const result<replies> got =
                co_await cluster_->run_on(*nodes, std::move(request), deadline);
            // As long as one node answers there are requests that can be served.
            if (got.has_value())
                for (const keyed_reply& one : *got) {
                    error = error_of(one, cluster_->past(deadline));
                    if (!error) break;
                }
        }
        if (error && cluster_->past(deadline)) error = LETHE_ERR(errc::timeout);
    }
    counts_.ping(error);
    if (error) co_return error;
    co_return result<>{};
}

task<scan_page> cluster_store::scan(std::string cursor, std::size_t keys_max,
                                    steady_time deadline) {
    const gate::pass inside(*parts_.calls);
    if (!inside) co_return LETHE_ERR(errc::unavailable);
    const std::size_t wanted = std::clamp<std::size_t>(keys_max, 1, page_keys_max);
    cluster_cursor at;
    if (cursor.empty()) {
        const result<> known = co_await cluster_->refresh(deadline);
        if (known.has_error()) co_return known.error();
    } else {
        LETHE_CO_TRY(cluster_cursor begun, parse_cluster_cursor(cursor));
        at = std::move(begun);
    }
    const result<std::vector<net::address>> nodes = co_await cluster_->primaries(deadline);
    if (nodes.has_error()) co_return nodes.error();
    const std::vector<std::string> names = names_of(*nodes);
    // Slots have moved, and with them records that may not have been seen: from the beginning.
    if (at.fingerprint != cluster_->table().fingerprint())
        at = {cluster_->table().fingerprint(), names.front(), {}};
    const auto node = std::ranges::find(*nodes, at.node, net::to_text);
    if (node == nodes->end()) co_return LETHE_ERR(errc::malformed);
    if (at.within.kept.empty()) {
        std::string request;
        const key_names& keys = parts_.with->names;
        append_scan(request, at.within.server, keys.pattern(key_names::record_mark), wanted);
        const result<replies> got =
            co_await cluster_->run_on({*node}, std::move(request), deadline);
        if (got.has_error()) co_return got.error();
        const error_code error = error_of(got->front(), cluster_->past(deadline));
        if (error) co_return error;
        const result<> taken =
            at.within.take(got->front().value, keys.prefix.size() + key_names::record_mark.size());
        if (taken.has_error()) co_return taken.error();
    }
    scan_page page = at.within.make_page(wanted);
    if (!page.more) {
        const auto next = std::ranges::upper_bound(names, at.node);
        at = {at.fingerprint, next == names.end() ? "" : *next, {}};
        page.more = next != names.end();
        if (!page.more) {
            const result<> known = co_await cluster_->refresh(deadline);
            if (known.has_error()) co_return known.error();
            page.more = at.fingerprint != cluster_->table().fingerprint();
        }
    }
    page.cursor = page.more ? to_text(at) : "";
    co_return page;
}

task<std::size_t> cluster_store::purge_set(std::string set, std::size_t names_max,
                                           steady_time deadline) {
    const index_keys keys = far_keys_of_set(set);
    const std::string subject = subject_of_set(set, parts_.with->names);
    std::size_t removed = 0;
    while (removed < names_max) {
        std::vector<keyed_command> asking;
        asking.push_back({keys.names, index_due_command(keys, due_at_once), false});
        const result<replies> got = co_await query(std::move(asking), deadline);
        if (got.has_error()) co_return got.error();
        result<std::vector<due_name>> due = read_due_names(got->front().value);
        if (due.has_error()) co_return due.error();
        const std::size_t found = due->size();
        const result<std::size_t> here =
            co_await settle(cluster_, parts_.with->names, keys, subject, *std::move(due), deadline);
        if (here.has_error()) co_return here.error();
        removed += *here;
        if (found < due_at_once) break;
    }
    co_return removed;
}

task<std::size_t> cluster_store::purge_expired(std::size_t records_max, steady_time deadline) {
    const gate::pass inside(*parts_.calls);
    if (!inside) co_return LETHE_ERR(errc::unavailable);
    const result<std::vector<net::address>> nodes = co_await cluster_->primaries(deadline);
    if (nodes.has_error()) co_return nodes.error();
    std::size_t removed = 0;
    for (const net::address& node : *nodes) {
        scan_cursor at;
        while (!at.at_end()) {
            std::string request;
            append_scan(request, at.server, far_sets_pattern(parts_.with->names), 100);
            const result<replies> got =
                co_await cluster_->run_on({node}, std::move(request), deadline);
            if (got.has_error()) co_return got.error();
            const error_code error = error_of(got->front(), cluster_->past(deadline));
            if (error) co_return error;
            const result<> taken = at.take(got->front().value, 0);
            if (taken.has_error()) co_return taken.error();
            for (const std::string& set : std::exchange(at.kept, {})) {
                if (removed >= records_max) co_return removed;
                const result<std::size_t> here =
                    co_await purge_set(set, records_max - removed, deadline);
                if (here.has_error()) co_return here.error();
                removed += *here;
            }
        }
    }
    co_return removed;
}

task<examination> cluster_store::examine(steady_time deadline) {
    const gate::pass inside(*parts_.calls);
    if (!inside) co_return LETHE_ERR(errc::unavailable);
    const result<> known = co_await cluster_->refresh(deadline);
    if (known.has_error()) co_return known.error();
    const std::vector<net::address> nodes = cluster_->table().nodes();
    const bool complete = cluster_->table().complete();
    const result<replies> infos = co_await cluster_->run_on(nodes, info_command(), deadline);
    if (infos.has_error()) co_return infos.error();
    const result<replies> configs = co_await cluster_->run_on(nodes, settings_command(), deadline);
    if (configs.has_error()) co_return configs.error();
    examination out;
    bool first = true;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        if ((*infos)[i].error || (*infos)[i].value.is_error()) {
            out.findings.push_back({finding::weight::fault,
                                    net::to_text(nodes[i]) + " does not answer",
                                    "start it, or let a replica take over"});
            continue;
        }
        server_report report;
        report.add_info((*infos)[i].value.text);
        if (!(*configs)[i].error && !(*configs)[i].value.is_error())
            report.add_settings((*configs)[i].value);
        merge(out, nodes[i], judge_report(report, *parts_.with, promises()),
              std::exchange(first, false));
    }
    if (first) co_return LETHE_ERR(errc::unavailable);
    if (!complete)
        out.findings.push_back({finding::weight::fault, "no node serves some of the slots",
                                "see redis-cli --cluster check"});
    co_return out;
}

task<migration> cluster_store::migrate(steady_time deadline) {
    const gate::pass inside(*parts_.calls);
    if (!inside) co_return LETHE_ERR(errc::unavailable);
    const result<> known = co_await cluster_->refresh(deadline);
    if (known.has_error()) co_return known.error();
    std::string load;
    append_load(load);
    const result<replies> got =
        co_await cluster_->run_on(cluster_->table().nodes(), std::move(load), deadline);
    if (got.has_error()) co_return got.error();
    bool was_there = !parts_.greet->take_first_load();
    for (const keyed_reply& one : *got) {
        if (one.value.is_error() && is_loaded(one.value.text)) continue;
        const error_code error = error_of(one, cluster_->past(deadline));
        if (error) co_return error;
        was_there = false;
    }
    co_return migration{.from = was_there ? functions_version : 0, .to = functions_version};
}

}  // namespace lethe::store::redis
