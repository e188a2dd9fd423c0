#include "store/redis/examine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace lethe::store::redis {
namespace {

using weight = finding::weight;

std::uint64_t to_number(std::string_view text) noexcept {
    std::uint64_t out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
}

void add(examination& to, weight how_bad, std::string what, std::string advice = {}) {
    to.findings.push_back({how_bad, std::move(what), std::move(advice)});
}

// True when every answered change is on the disk.
bool judge_persistence(const server_report& report, examination& out) {
    if (report.info("aof_enabled") != "1") {
        add(out, weight::fault, "appendonly is off: a restart forgets what the last snapshot lacks",
            "set appendonly yes and appendfsync always");
        return false;
    }
    if (report.info("aof_last_write_status") == "err")
        add(out, weight::fault,
            "the last write to the append-only file failed: changes are refused",
            "look at the server's log: is its disk full?");
    if (!report.settings_known) {
        add(out, weight::warning,
            "CONFIG GET is forbidden: whether a crash of the machine loses changes is not known",
            "let lethe's user run CONFIG GET (ACL +config|get)");
        return false;
    }
    const std::string_view fsync = report.setting("appendfsync");
    if (fsync == "always") return true;
    add(out, weight::warning,
        fsync == "no"
            ? "appendfsync is no: a crash of the machine loses what the kernel had not "
              "written yet, up to half a minute"
            : "appendfsync is everysec: a crash of the machine loses up to two seconds of "
              "answered changes",
        "set appendfsync always");
    return false;
}

void judge_snapshots(const server_report& report, examination& out) {
    if (report.info("rdb_last_bgsave_status") == "err")
        add(out, weight::fault,
            "the last snapshot failed: changes are refused while stop-writes-on-bgsave-error is "
            "set",
            "look at the server's log: is its disk full, its folder not writable?");
    if (report.info("aof_last_bgrewrite_status") == "err")
        add(out, weight::warning, "the last rewrite of the append-only file failed: it grows",
            "look at the server's log: is its disk full?");
    if (report.info("loading") == "1")
        add(out, weight::warning, "the server is loading its data and refuses everything else",
            "wait");
}

// True when records may go before they expire.
bool judge_memory(const server_report& report, examination& out) {
    const std::uint64_t limit = to_number(report.info("maxmemory"));
    const std::string_view policy = report.info("maxmemory_policy");
    if (policy.empty() || policy == "noeviction") {
        const std::uint64_t used = to_number(report.info("used_memory"));
        if (limit != 0 && used > limit / 10 * 9)
            add(out, weight::warning,
                fmt::format(
                    "{} of {} MiB of maxmemory are used: changes are refused when it is full",
                    used >> 20, limit >> 20),
                "raise maxmemory");
        return false;
    }
    if (limit == 0) {
        add(out, weight::note,
            fmt::format("maxmemory-policy is {}, which evicts nothing while maxmemory is 0",
                        policy),
            "set maxmemory-policy noeviction, so that a limit set later evicts nothing");
        return false;
    }
    // All that lethe keeps expires: the volatile policies take it, too.
    add(out, weight::fault,
        fmt::format("maxmemory-policy is {}: records may be evicted before they expire", policy),
        "set maxmemory-policy noeviction");
    return true;
}

// True when an answered change is on a second server.
bool judge_replicas(const server_report& report, const settings& with, examination& out) {
    const std::uint64_t replicas = to_number(report.info("connected_slaves"));
    if (with.wait_replicas != 0) {
        if (replicas < with.wait_replicas)
            add(out, weight::fault,
                fmt::format("wait={} asks for more replicas than the {} that are connected: every "
                            "change ends with its outcome unknown",
                            with.wait_replicas, replicas),
                "start replicas, or ask for fewer");
        return replicas >= with.wait_replicas;
    }
    if (replicas == 0) {
        if (with.how != topology::single)
            add(out, weight::warning, "the primary has no replica: nothing can take over",
                "start a replica");
        return false;
    }
    add(out, weight::warning,
        "replication is asynchronous: a failover may lose changes that were answered just before "
        "it",
        "add wait=1 to the store's URL; it costs a round trip to a replica");
    if (report.settings_known && to_number(report.setting("min-replicas-to-write")) == 0)
        add(out, weight::warning,
            "min-replicas-to-write is 0: a primary that is cut off goes on taking changes that are "
            "lost when another has taken over",
            "set min-replicas-to-write 1 and min-replicas-max-lag 10");
    return false;
}

std::string name_of(const server_report& report) {
    const std::string_view valkey = report.info("valkey_version");
    if (!valkey.empty()) return fmt::format("Valkey {}", valkey);
    return fmt::format("Redis {}", report.info("redis_version"));
}

}  // namespace

void server_report::add_info(std::string_view text) {
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || line.starts_with('#')) continue;
        told.insert_or_assign(std::string(line.substr(0, colon)),
                              std::string(line.substr(colon + 1)));
    }
}

void server_report::add_settings(const resp::value& reply) {
    for (std::size_t i = 0; i + 1 < reply.items.size(); i += 2)
        settings.insert_or_assign(std::string(reply.items[i].text),
                                  std::string(reply.items[i + 1].text));
    settings_known = !settings.empty();
}

std::string_view server_report::info(std::string_view name) const {
    const auto found = told.find(name);
    return found == told.end() ? std::string_view{} : found->second;
}

std::string_view server_report::setting(std::string_view name) const {
    const auto found = settings.find(name);
    return found == settings.end() ? std::string_view{} : found->second;
}

std::string info_command() {
    std::string out;
    resp::command(out, 2).word("INFO").word("everything");
    return out;
}

std::string settings_command() {
    std::string out;
    resp::command(out, 5)
        .word("CONFIG")
        .word("GET")
        .word("appendfsync")
        .word("min-replicas-to-write")
        .word("min-replicas-max-lag");
    return out;
}

examination judge_report(const server_report& report, const settings& with,
                         engine_promises declared) {
    examination out{.server = name_of(report), .promises = declared, .findings = {}};
    out.promises.settings_decide = false;
    out.promises.durable = judge_persistence(report, out);
    judge_snapshots(report, out);
    out.promises.may_evict = judge_memory(report, out);
    out.survives_failover = judge_replicas(report, with, out);
    return out;
}

}  // namespace lethe::store::redis
