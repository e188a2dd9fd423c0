// Real servers for tests: each on free ports of 127.0.0.1 and in a temporary folder of its own,
// ready when its constructor returns, killed (SIGKILL) when it goes out of scope. A server whose
// program is not installed is an exception that names `./dev setup`: tests of stores fail without
// them, they are never skipped.
//
// Constructors and start() throw std::runtime_error with the end of the server's own log when it
// does not come up. Servers die with the thread that started them (support/process.hpp): start them
// from one that outlives them.
#pragma once

#include "support/certificates.hpp"
#include "support/process.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lethe::test {

// Asks again and again until it is true; false when it was not by `at_most`.
[[nodiscard]] bool wait_for(const std::function<bool()>& condition,
                            std::chrono::milliseconds at_most);

// Where a server's program is: in PATH or where Debian keeps PostgreSQL's. Throws when it is not
// installed.
[[nodiscard]] std::string server_program(const std::string& name);
// For servers that not every supported system has (Valkey).
[[nodiscard]] bool has_program(const std::string& name) noexcept;

// A process with all that it started, PostgreSQL's are many.
class server_process {
 public:
    server_process() = default;
    ~server_process() { kill_now(); }
    server_process(const server_process&) = delete;
    server_process& operator=(const server_process&) = delete;

    // Runs the command, then waits until `ready`.
    void start(const process_options& options, const std::function<bool()>& ready);
    // SIGKILL, to all of them at once; returns when they are gone.
    void kill_now() noexcept;
    // A signal to the first one alone, then waits for its end, which must come.
    void end(int signal);
    // SIGSTOP and SIGCONT: it holds its connections and answers nothing meanwhile.
    void freeze();
    void thaw();
    [[nodiscard]] bool running();

 private:
    [[nodiscard]] std::vector<pid_t> all_of_them() const;
    [[nodiscard]] std::vector<pid_t> stop_all() const;

    std::optional<process> process_;
    std::filesystem::path output_;
};

// What Redis answers, as RESP2 has it.
struct redis_reply {
    char kind = '$';  // '+', '-', ':', '$', '*', or '_' for nil
    std::string text;
    std::vector<redis_reply> parts;
};

struct redis_options {
    // Of redis.conf, after those that every server gets: `appendonly yes`, `appendfsync always`,
    // `save ""`.
    std::vector<std::string> lines = {};
    std::string password = {};
    bool tls = false;       // and no plain port
    bool sentinel = false;  // watches others, keeps nothing; gets none of those lines
    std::string program = "redis-server";
    std::filesystem::path parent = {};  // where its folder is made; "": with the temporary ones
};

class redis_server {
 public:
    explicit redis_server(redis_options options = {});
    // The same on a port that was chosen before.
    redis_server(redis_options options, std::uint16_t port);

    // On the same port and in the same folder, after kill_now() or stop().
    void start();
    void stop();  // in order
    void kill_now() noexcept { process_.kill_now(); }
    void freeze() { process_.freeze(); }
    void thaw() { process_.thaw(); }
    void restart();
    [[nodiscard]] bool running() { return process_.running(); }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    // redis://… or rediss://…, with the password and database 0.
    [[nodiscard]] std::string url() const;
    // Who must be trusted, with `tls`.
    [[nodiscard]] std::filesystem::path authority() const { return certificates_.authority; }
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_->path(); }

    // Asks the server itself, past all that stands before its port. Throws when it does not answer.
    [[nodiscard]] redis_reply ask(const std::vector<std::string>& words);
    // The value behind "name:" in the answer to INFO or CLUSTER INFO; "" when it is not there.
    [[nodiscard]] std::string info(const std::vector<std::string>& words, const std::string& name);

 private:
    void write_configuration();

    redis_options options_;
    std::unique_ptr<temporary_folder> folder_;
    certificates certificates_;
    std::uint16_t port_ = 0;
    server_process process_;
};

struct redis_cluster_options {
    // A node that is silent for so long is taken for dead; a replica then takes over.
    std::chrono::milliseconds node_timeout{1500};
    std::vector<std::string> lines = {};
    std::string password = {};
    std::string program = "redis-server";
};

// Six processes: nodes 0, 1 and 2 are primaries, 3, 4 and 5 replicate them, to begin with.
class redis_cluster {
 public:
    static constexpr std::size_t primaries = 3;
    static constexpr std::size_t nodes = 6;
    static constexpr unsigned slots = 16384;

    explicit redis_cluster(redis_cluster_options options = {});

    [[nodiscard]] redis_server& node(std::size_t index) { return *nodes_.at(index); }
    // redis+cluster:// with all six.
    [[nodiscard]] std::string url() const;
    // Until each node that runs says cluster_state:ok and each primary is one that runs.
    void wait_until_ok(std::chrono::milliseconds at_most = std::chrono::seconds{30});
    [[nodiscard]] unsigned slot_of(const std::string& key);
    // Which node serves the slot, as a running node sees it.
    [[nodiscard]] std::size_t primary_of(unsigned slot);
    // Moves one slot with its keys to a primary, as redis-cli's reshard does; clients meet ASK and
    // MOVED meanwhile. In steps, for tests that look in between.
    void begin_move(unsigned slot, std::size_t to);
    void move_keys(unsigned slot, std::size_t to, std::size_t keys_max = 100'000);
    // Returns when all nodes know.
    void end_move(unsigned slot, std::size_t to);
    void move_slot(unsigned slot, std::size_t to);

 private:
    void form();
    [[nodiscard]] bool is_ok();
    [[nodiscard]] std::optional<std::size_t> primary_as_seen_by(std::size_t index, unsigned slot);
    [[nodiscard]] std::size_t index_of_port(const std::string& port) const;
    redis_reply must(std::size_t node, const std::vector<std::string>& words);

    redis_cluster_options options_;
    std::vector<std::unique_ptr<redis_server>> nodes_;
    std::vector<std::string> ids_;
};

struct redis_sentinels_options {
    std::chrono::milliseconds down_after{600};
    std::string password = {};  // of the servers; the sentinels have none
    std::string program = "redis-server";
};

// A primary, a replica of it, and three sentinels that watch them under the name "lethe".
class redis_sentinels {
 public:
    explicit redis_sentinels(redis_sentinels_options options = {});

    // The primary and the replica, to begin with.
    [[nodiscard]] redis_server& first() { return *first_; }
    [[nodiscard]] redis_server& second() { return *second_; }
    [[nodiscard]] redis_server& sentinel(std::size_t index) { return *sentinels_.at(index); }
    // redis+sentinel://…/lethe
    [[nodiscard]] std::string url() const;
    // As the first sentinel that answers says.
    [[nodiscard]] std::uint16_t primary_port();
    // Until all running sentinels name it and it takes writes.
    void wait_until_primary(redis_server& wanted,
                            std::chrono::milliseconds at_most = std::chrono::seconds{30});

 private:
    redis_sentinels_options options_;
    std::unique_ptr<redis_server> first_;
    std::unique_ptr<redis_server> second_;
    std::vector<std::unique_ptr<redis_server>> sentinels_;
};

struct postgres_options {
    // Of postgresql.conf, after those that every server gets: `fsync = off` among them, which
    // spares minutes and changes nothing where servers are killed but the machine lives.
    std::vector<std::string> lines = {};
    std::string password = {};          // scram-sha-256; "": everybody on 127.0.0.1 is trusted
    bool tls = false;                   // offered; a client without it is refused
    std::filesystem::path parent = {};  // as Redis'
    // `fsync = on`, once it runs: a start that syncs a thousand files takes a busy disk half a
    // minute.
    bool syncs = false;
};

// The database "lethe" and its owner of the same name, who may do everything.
class postgres_server {
 public:
    explicit postgres_server(postgres_options options = {});
    ~postgres_server();

    void start();
    void stop();            // in order (fast: clients are sent away)
    void stop_immediate();  // as after a crash, but told
    // SIGKILL to all of its processes.
    void kill_now() noexcept;
    // Stops all of its processes.
    void freeze() { process_.freeze(); }
    void thaw() { process_.thaw(); }
    void restart();
    [[nodiscard]] bool running() { return process_.running(); }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] std::string url() const;
    // host:port, for a URL with several of them.
    [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
    [[nodiscard]] std::filesystem::path authority() const { return certificates_.authority; }
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_->path(); }
    // What psql prints without decoration; throws when a statement fails.
    std::string sql(const std::string& statements);

 private:
    friend class postgres_pair;
    // Not started, without data.
    struct bare {};
    postgres_server(postgres_options options, bare);
    void turn_syncs_on();
    [[nodiscard]] std::filesystem::path data() const { return folder_->path() / "data"; }
    [[nodiscard]] bool accepts() const;
    void configure();

    postgres_options options_;
    std::unique_ptr<temporary_folder> folder_;
    certificates certificates_;
    std::uint16_t port_ = 0;
    server_process process_;
};

struct postgres_pair_options {
    postgres_options server = {};
    // An answered commit is on both.
    bool synchronous = false;
};

// A primary and a replica that streams from it.
class postgres_pair {
 public:
    explicit postgres_pair(postgres_pair_options options = {});

    // To begin with.
    [[nodiscard]] postgres_server& primary() { return *primary_; }
    [[nodiscard]] postgres_server& replica() { return *replica_; }
    // Both hosts, target_session_attrs=read-write.
    [[nodiscard]] std::string url() const;
    // The replica becomes a primary; returns when it takes writes. The former primary should be
    // dead by then: nothing keeps it from taking writes, too.
    void promote();

 private:
    postgres_pair_options options_;
    std::unique_ptr<postgres_server> primary_;
    std::unique_ptr<postgres_server> replica_;
};

class memcached_server {
 public:
    // Words of its command line, after those that every server gets.
    explicit memcached_server(std::vector<std::string> words = {});

    void start();
    void kill_now() noexcept { process_.kill_now(); }
    void freeze() { process_.freeze(); }
    void thaw() { process_.thaw(); }
    // It has forgotten everything.
    void restart();
    [[nodiscard]] bool running() { return process_.running(); }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    // memcached://…
    [[nodiscard]] std::string url() const;
    [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
    std::vector<std::string> words_;
    std::unique_ptr<temporary_folder> folder_;
    std::uint16_t port_ = 0;
    server_process process_;
};

}  // namespace lethe::test
