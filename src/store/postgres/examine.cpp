#include "store/postgres/examine.hpp"

#include "store/postgres/schema.hpp"
#include "store/postgres/store.hpp"

#include <fmt/format.h>

#include <charconv>

namespace lethe::store::postgres {
namespace {

constexpr int oldest_server = 120000;

struct facts {
    int version = 0;
    std::string version_text;
    std::string synchronous_commit;
    bool fsync = true;
    bool full_page_writes = true;
    bool read_only = false;
    bool in_recovery = false;
    bool autovacuum = true;
    bool encrypted = true;
    bool local = false;  // not over a network
    std::string synchronous_names;
    bool sees_replicas = false;  // may read who replicates
    long replicas = 0;
    long synchronous_replicas = 0;
    long connections_max = 0;
    double idle_seconds = 0;  // of the oldest transaction that does nothing
    std::uint32_t schema_found = 0;
};

constexpr const char* question =
    "SELECT current_setting('synchronous_commit'), current_setting('fsync'), "
    "current_setting('full_page_writes'), current_setting('transaction_read_only'), "
    "pg_is_in_recovery(), current_setting('autovacuum'), "
    "coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), "
    "inet_server_addr() IS NULL OR inet_server_addr() <<= inet '127.0.0.0/8' "
    "OR inet_server_addr() = inet '::1', "
    "current_setting('synchronous_standby_names'), "
    "pg_has_role(current_user, 'pg_monitor', 'USAGE'), "
    "(SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'), "
    "(SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')), "
    "current_setting('max_connections'), "
    "coalesce((SELECT max(extract(epoch FROM clock_timestamp() - state_change)) "
    "FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' "
    "AND datname = current_database()), 0)";

long number(std::string_view text) {
    long out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
}

task<facts> ask(connection& on, const settings& to, steady_time deadline) {
    failure why;
    const result<rows> got = co_await on.query(question, deadline, why);
    if (got.has_error()) co_return got.error();
    if (got->size() != 1 || got->columns() != 14) co_return LETHE_ERR(errc::corrupt);
    const auto at = [&](std::size_t column) { return got->at(0, column); };
    facts out;
    out.version = on.server_version();
    out.version_text = on.server_version_text();
    out.synchronous_commit = at(0);
    out.fsync = at(1) == "on";
    out.full_page_writes = at(2) == "on";
    out.read_only = at(3) == "on";
    out.in_recovery = at(4) == "t";
    out.autovacuum = at(5) == "on";
    out.encrypted = at(6) == "t";
    out.local = at(7) == "t";
    out.synchronous_names = at(8);
    out.sees_replicas = at(9) == "t";
    out.replicas = number(at(10));
    out.synchronous_replicas = number(at(11));
    out.connections_max = number(at(12));
    out.idle_seconds = static_cast<double>(number(at(13)));
    const result<std::uint32_t> schema = co_await read_schema_version(on, to.schema, deadline, why);
    if (schema.has_error()) co_return schema.error();
    out.schema_found = *schema;
    co_return out;
}

using enum finding::weight;

void judge_durability(const facts& of, examination& out) {
    const auto add = [&](finding::weight weight, std::string what, std::string advice) {
        out.findings.push_back({weight, std::move(what), std::move(advice)});
    };
    if (!of.fsync)
        add(fault, "fsync is off: a crash of the machine may destroy the whole database",
            "set fsync = on in postgresql.conf and reload");
    if (!of.full_page_writes)
        add(warning, "full_page_writes is off: a power cut may leave torn pages",
            "set full_page_writes = on, unless the file system itself prevents torn pages");
    if (of.synchronous_commit == "off")
        add(fault, "synchronous_commit is off: an answered change may be lost in a crash",
            "ALTER ROLE or DATABASE ... SET synchronous_commit = on, or set it in "
            "postgresql.conf");
    if (!of.fsync || of.synchronous_commit == "off") out.promises.durable = false;
    const bool waits_for_replica = !of.synchronous_names.empty() &&
                                   of.synchronous_commit != "off" &&
                                   of.synchronous_commit != "local";
    out.survives_failover =
        out.promises.durable && waits_for_replica && of.synchronous_replicas > 0;
    if (out.survives_failover) return;
    if (!waits_for_replica)
        add(note,
            of.replicas > 0
                ? "replicas follow asynchronously: a failover may lose the last answered changes"
                : "an answered change is on this server alone",
            "for changes that survive a failover: a streaming replica in "
            "synchronous_standby_names, and synchronous_commit = on");
    else if (of.sees_replicas)
        add(warning,
            "synchronous_standby_names names replicas, none of which is there: every change waits",
            "start the replica, or take it out of synchronous_standby_names");
    else
        add(note, "the user may not see whether a synchronous replica is there",
            "GRANT pg_monitor TO the user");
}

void judge_use(const facts& of, const settings& to, examination& out) {
    const auto add = [&](finding::weight weight, std::string what, std::string advice) {
        out.findings.push_back({weight, std::move(what), std::move(advice)});
    };
    if (of.version < oldest_server)
        add(fault, "the server is older than PostgreSQL 12", "use PostgreSQL 12 or newer");
    if (of.in_recovery)
        add(fault, "the server is a standby: nothing can be changed",
            "name the primary, or all hosts with target_session_attrs=read-write");
    else if (of.read_only)
        add(fault, "the session is read-only: nothing can be changed",
            "set default_transaction_read_only = off for the user and the database");
    const std::string complaint = schema_complaint(of.schema_found);
    if (!complaint.empty() && (of.schema_found > schema_version || !to.migrates))
        add(fault, complaint.substr(0, complaint.find(':')),
            complaint.substr(complaint.find(':') + 2));
    else if (!complaint.empty())
        add(note, "lethe's tables are not there yet", "lethe makes them when it first connects");
    if (!of.autovacuum)
        add(warning, "autovacuum is off: changed and expired records keep their room for ever",
            "set autovacuum = on");
    if (!of.encrypted && !of.local)
        add(warning, "the connection over the network is not encrypted",
            "add sslmode=verify-full and sslrootcert=... to the URL");
    if (of.idle_seconds > 60)
        add(warning,
            fmt::format("a transaction has done nothing for {:.0f} seconds: it keeps removed rows "
                        "from being cleaned up, and may hold locks",
                        of.idle_seconds),
            "set idle_in_transaction_session_timeout for its user");
    if (of.connections_max < 50)
        add(note,
            fmt::format("max_connections is {}; each worker of each gateway takes {}",
                        of.connections_max, to.connections),
            "raise max_connections, or lower connections= in the URL");
}

}  // namespace

task<examination> look_at(connection& on, const settings& to, steady_time deadline) {
    const result<facts> seen = co_await ask(on, to, deadline);
    if (seen.has_error()) co_return seen.error();
    examination out{.server = "PostgreSQL " + seen->version_text,
                    .promises = promised,
                    .survives_failover = false,
                    .findings = {}};
    judge_durability(*seen, out);
    judge_use(*seen, to, out);
    co_return out;
}

}  // namespace lethe::store::postgres
