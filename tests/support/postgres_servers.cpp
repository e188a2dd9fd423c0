#include "support/pgbouncer.hpp"
#include "support/plain_socket.hpp"
#include "support/servers.hpp"

#include <pwd.h>
#include <signal.h>
#include <sys/shm.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

bool am_root() {
    return ::geteuid() == 0;
}

// PostgreSQL refuses to run as root, so it runs as the user that Debian's package made. The wish to
// die with the parent is lost with the change of user: setpriv makes it anew.
std::vector<std::string> as_postgres(std::vector<std::string> command) {
    command.front() = server_program(command.front());
    if (!am_root()) return command;
    std::vector<std::string> out = {
        server_program("setpriv"), "--reuid=postgres", "--regid=postgres",
        "--clear-groups",          "--pdeathsig",      "KILL"};
    out.insert(out.end(), command.begin(), command.end());
    return out;
}

void give_to_postgres(const std::filesystem::path& file) {
    if (!am_root()) return;
    const passwd* const who = ::getpwnam("postgres");
    if (who == nullptr)
        throw std::runtime_error("there is no user postgres: run ./dev setup, then test again");
    if (::chown(file.c_str(), who->pw_uid, who->pw_gid) != 0)
        throw std::runtime_error("cannot give away " + file.string());
}

std::string must_run(const std::vector<std::string>& command, const char* what) {
    finished_command done = run_command(command, 120s);
    if (done.exit != 0) throw std::runtime_error(std::string(what) + " failed: " + done.output);
    return std::move(done.output);
}

// Without a server, before there is one.
void run_single(const std::filesystem::path& data, const std::string& statement) {
    must_run(as_postgres({"sh", "-c", R"(printf '%s\n' "$2" | "$0" --single -D "$1" postgres)",
                          server_program("postgres"), data, statement}),
             "postgres --single");
}

// Made once for all servers of this process, which take copies: initdb takes a second.
class template_data {
 public:
    template_data() : folder_("lethe-postgres-template-") {
        give_to_postgres(folder_.path());
        must_run(as_postgres({"initdb", "--no-sync", "--username=lethe", "--auth=trust",
                              "--encoding=UTF8", "--locale=C", "--wal-segsize=4", "-D", data()}),
                 "initdb");
        run_single(data(), "CREATE DATABASE lethe");
    }
    [[nodiscard]] std::filesystem::path data() const { return folder_.path() / "data"; }

 private:
    temporary_folder folder_;
};

std::string startup_message() {
    const std::string fields("\0\3\0\0user\0lethe\0database\0lethe\0\0", 31);
    const std::size_t size = fields.size() + 4;
    return std::string("\0\0\0", 3) + static_cast<char>(size) + fields;
}

// The small segment by which PostgreSQL knows that another process still uses the data; a killed
// server leaves it behind, and a machine has room for few thousand.
int segment_of(const std::filesystem::path& data) {
    std::ifstream file(data / "postmaster.pid");
    std::string line;
    for (int i = 0; i < 7; ++i)
        if (!std::getline(file, line)) return -1;
    int key = 0;
    int id = -1;
    return std::sscanf(line.c_str(), "%d %d", &key, &id) == 2 ? id : -1;
}

}  // namespace

postgres_server::postgres_server(postgres_options options, bare)
    : options_(std::move(options)),
      folder_(std::make_unique<temporary_folder>("lethe-postgres-", options_.parent)),
      port_(free_ports(1).front()) {
    give_to_postgres(folder_->path());
    if (!options_.tls) return;
    certificates_ = make_certificates(folder_->path());
    give_to_postgres(certificates_.key);
}

postgres_server::postgres_server(postgres_options options)
    : postgres_server(std::move(options), bare{}) {
    static const template_data made;
    must_run({server_program("cp"), "-a", made.data(), data()}, "cp");
    if (!options_.password.empty())
        run_single(data(), "ALTER ROLE lethe PASSWORD '" + options_.password + "'");
    configure();
    start();
    if (options_.syncs) turn_syncs_on();
}

postgres_server::~postgres_server() {
    kill_now();
}

void postgres_server::configure() {
    std::ofstream out(data() / "postgresql.conf");
    out << "listen_addresses = '127.0.0.1'\nport = " << port_
        << "\nunix_socket_directories = ''\nmax_connections = 100\nshared_buffers = 16MB\n"
        << "max_wal_size = 128MB\n"
        // Servers are killed here, machines are not: what was written is there all the same.
        << "fsync = off\n"
        // Removed with the folder, whatever becomes of the server.
        << "dynamic_shared_memory_type = mmap\n";
    if (options_.tls)
        out << "ssl = on\nssl_cert_file = '" << certificates_.certificate.string()
            << "'\nssl_key_file = '" << certificates_.key.string() << "'\n";
    for (const std::string& line : options_.lines) out << line << "\n";
    std::ofstream access(data() / "pg_hba.conf");
    const char* const method = options_.password.empty() ? "trust" : "scram-sha-256";
    for (const char* const database : {"all", "replication"})
        access << (options_.tls ? "hostssl " : "host ") << database << " all 127.0.0.1/32 "
               << method << "\n";
    if (!out.flush() || !access.flush())
        throw std::runtime_error("cannot write PostgreSQL's configuration");
}

bool postgres_server::accepts() const {
    try {
        plain_socket asked = plain_socket::to_port(port_, 2s);
        asked.send(startup_message());
        const std::string kind = asked.receive_exactly(1);
        if (kind == "R") return true;
        // Up, but this client came without TLS; before, it says that it is starting up.
        const std::optional<std::string> rest = asked.receive();
        return kind == "E" && rest && rest->find("C28000") != std::string::npos;
    } catch (const std::runtime_error&) {
        return false;
    }
}

pgbouncer::pgbouncer(const postgres_server& before, const std::vector<std::string>& lines)
    : folder_("lethe-pgbouncer-"), port_(free_ports(1).front()) {
    const std::filesystem::path users = folder_.path() / "users";
    const std::filesystem::path settings = folder_.path() / "settings";
    std::ofstream(users) << "\"lethe\" \"\"\n";
    {
        std::ofstream out(settings);
        out << "[databases]\nlethe = host=127.0.0.1 port=" << before.port()
            << " dbname=lethe\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " << port_
            << "\nauth_type = trust\nauth_file = " << users.string() << "\nunix_socket_dir =\n";
        for (const std::string& line : lines) out << line << "\n";
    }
    for (const auto& file : {folder_.path(), users, settings}) give_to_postgres(file);
    process_.start({.command = as_postgres({"pgbouncer", settings}),
                    .output = folder_.path() / "log",
                    .working_folder = folder_.path()},
                   [this] {
                       try {
                           plain_socket asked = plain_socket::to_port(port_, 2s);
                           asked.send(startup_message());
                           return asked.receive_exactly(1) == "R";
                       } catch (const std::runtime_error&) {
                           return false;
                       }
                   });
}

std::string pgbouncer::url() const {
    return "postgres://lethe@127.0.0.1:" + std::to_string(port_) + "/lethe";
}

void postgres_server::start() {
    // All of the former server's processes are gone; its id may belong to somebody else by now.
    std::error_code ignored;
    std::filesystem::remove(data() / "postmaster.pid", ignored);
    process_.start({.command = as_postgres({"postgres", "-D", data()}),
                    .output = folder_->path() / "log",
                    .working_folder = folder_->path()},
                   [this] { return accepts(); });
}

void postgres_server::stop() {
    process_.end(SIGINT);
}

void postgres_server::stop_immediate() {
    process_.end(SIGQUIT);
}

void postgres_server::kill_now() noexcept {
    // Moved from, or never started.
    if (!folder_ || !process_.running()) return;
    const int segment = segment_of(data());
    process_.kill_now();
    if (segment >= 0) ::shmctl(segment, IPC_RMID, nullptr);
}

void postgres_server::restart() {
    kill_now();
    start();
}

std::string postgres_server::url() const {
    const std::string secret = options_.password.empty() ? "" : ":" + options_.password;
    return "postgres://lethe" + secret + "@" + host() + "/lethe";
}

std::string postgres_server::sql(const std::string& statements) {
    std::string out = must_run({server_program("psql"), "-X", "-q", "-t", "-A", "-v",
                                "ON_ERROR_STOP=1", "-d", url(), "-c", statements},
                               "psql");
    while (!out.empty() && out.back() == '\n') out.pop_back();
    return out;
}

void postgres_server::turn_syncs_on() {
    sql("ALTER SYSTEM SET fsync = on");
    sql("SELECT pg_reload_conf()");
    if (!wait_for([this] { return sql("SHOW fsync") == "on"; }, 30s))
        throw std::runtime_error("PostgreSQL does not take fsync = on");
}

postgres_pair::postgres_pair(postgres_pair_options options) : options_(std::move(options)) {
    postgres_options at_first = options_.server;
    at_first.syncs = false;  // also of the replica, which takes a copy
    primary_ = std::make_unique<postgres_server>(at_first);
    replica_.reset(new postgres_server(at_first, postgres_server::bare{}));
    must_run(as_postgres({"pg_basebackup", "-d", primary_->url(), "-D", replica_->data(), "-R",
                          "-X", "stream", "-c", "fast", "--no-sync"}),
             "pg_basebackup");
    replica_->configure();
    replica_->start();
    const auto state_is = [this](const std::string& column, const std::string& value) {
        return wait_for(
            [&] {
                return primary_->sql("SELECT " + column + " FROM pg_stat_replication") == value;
            },
            30s);
    };
    if (!state_is("state", "streaming"))
        throw std::runtime_error("PostgreSQL: the replica does not stream");
    if (options_.server.syncs)
        for (const auto& one : {primary_.get(), replica_.get()}) one->turn_syncs_on();
    if (!options_.synchronous) return;
    primary_->options_.lines.emplace_back("synchronous_standby_names = '*'");
    primary_->configure();
    primary_->sql("SELECT pg_reload_conf()");
    if (!state_is("sync_state", "sync"))
        throw std::runtime_error("PostgreSQL: the replica is not synchronous");
}

std::string postgres_pair::url() const {
    const std::string& secret = options_.server.password;
    return "postgres://lethe" + (secret.empty() ? "" : ":" + secret) + "@" + primary_->host() +
           "," + replica_->host() + "/lethe?target_session_attrs=read-write";
}

void postgres_pair::promote() {
    if (replica_->sql("SELECT pg_promote(true, 60)") != "t")
        throw std::runtime_error("PostgreSQL: the replica could not be promoted");
    if (!wait_for([this] { return replica_->sql("SHOW transaction_read_only") == "off"; }, 30s))
        throw std::runtime_error("PostgreSQL: the promoted replica takes no writes");
}

}  // namespace lethe::test
