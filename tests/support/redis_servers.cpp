#include "support/plain_socket.hpp"
#include "support/servers.hpp"

#include <signal.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

std::string to_request(const std::vector<std::string>& words) {
    std::string out = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words)
        out += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    return out;
}

redis_reply read_reply(plain_socket& from) {
    const std::string line = from.receive_line();
    if (line.empty()) throw std::runtime_error("Redis: an empty reply");
    redis_reply out{.kind = line.front(), .text = line.substr(1), .parts = {}};
    if (out.kind != '$' && out.kind != '*') return out;
    const long count = std::stol(out.text);
    out.text.clear();
    if (count < 0) {
        out.kind = '_';
    } else if (out.kind == '$') {
        out.text = from.receive_exactly(static_cast<std::size_t>(count));
        static_cast<void>(from.receive_exactly(2));
    } else {
        for (long i = 0; i < count; ++i) out.parts.push_back(read_reply(from));
    }
    return out;
}

}  // namespace

redis_server::redis_server(redis_options options)
    : redis_server(std::move(options), free_ports(1).front()) {}

redis_server::redis_server(redis_options options, std::uint16_t port)
    : options_(std::move(options)),
      folder_(std::make_unique<temporary_folder>("lethe-redis-", options_.parent)),
      port_(port) {
    if (options_.tls) certificates_ = make_certificates(folder_->path());
    write_configuration();
    start();
}

void redis_server::write_configuration() {
    std::ofstream out(folder_->path() / "redis.conf");
    const std::string port = std::to_string(port_);
    out << "bind 127.0.0.1\nprotected-mode no\ndaemonize no\n"
        << "dir " << folder_->path().string() << "\nunixsocket "
        << (folder_->path() / "socket").string() << "\n";
    if (options_.tls)
        out << "port 0\ntls-port " << port << "\ntls-auth-clients no\n"
            << "tls-cert-file " << certificates_.certificate.string() << "\ntls-key-file "
            << certificates_.key.string() << "\ntls-ca-cert-file "
            << certificates_.authority.string() << "\n";
    else
        out << "port " << port << "\n";
    if (!options_.sentinel) out << "appendonly yes\nappendfsync always\nsave \"\"\n";
    if (!options_.password.empty())
        out << "requirepass " << options_.password << "\nmasterauth " << options_.password << "\n";
    for (const std::string& line : options_.lines) out << line << "\n";
    if (!out.flush()) throw std::runtime_error("cannot write redis.conf");
}

void redis_server::start() {
    std::vector<std::string> command = {server_program(options_.program),
                                        folder_->path() / "redis.conf"};
    if (options_.sentinel) command.emplace_back("--sentinel");
    process_.start({.command = command, .output = folder_->path() / "log"}, [this] {
        try {
            return ask({"PING"}).text == "PONG";
        } catch (const std::runtime_error&) {
            return false;
        }
    });
}

void redis_server::stop() {
    process_.end(SIGTERM);
}

void redis_server::restart() {
    kill_now();
    start();
}

std::string redis_server::url() const {
    const std::string login = options_.password.empty() ? "" : ":" + options_.password + "@";
    return (options_.tls ? "rediss://" : "redis://") + login +
           "127.0.0.1:" + std::to_string(port_) + "/0";
}

redis_reply redis_server::ask(const std::vector<std::string>& words) {
    plain_socket to = plain_socket::to_path(folder_->path() / "socket", 10s);
    if (!options_.password.empty()) {
        to.send(to_request({"AUTH", options_.password}));
        static_cast<void>(read_reply(to));
    }
    to.send(to_request(words));
    return read_reply(to);
}

std::string redis_server::info(const std::vector<std::string>& words, const std::string& name) {
    const std::string text = "\n" + ask(words).text;
    const std::size_t found = text.find("\n" + name + ":");
    if (found == std::string::npos) return {};
    const std::size_t begin = found + name.size() + 2;
    return text.substr(begin, text.find_first_of("\r\n", begin) - begin);
}

redis_cluster::redis_cluster(redis_cluster_options options) : options_(std::move(options)) {
    const std::vector<std::uint16_t> ports = free_ports(2 * nodes);
    for (std::size_t i = 0; i < nodes; ++i) {
        redis_options one{
            .lines = {"cluster-enabled yes", "cluster-config-file nodes.conf",
                      "cluster-port " + std::to_string(ports[nodes + i]),
                      "cluster-node-timeout " + std::to_string(options_.node_timeout.count())},
            .password = options_.password,
            .program = options_.program};
        one.lines.insert(one.lines.end(), options_.lines.begin(), options_.lines.end());
        nodes_.push_back(std::make_unique<redis_server>(std::move(one), ports[i]));
        ids_.push_back(must(i, {"CLUSTER", "MYID"}).text);
    }
    // The ports of the bus are known to form() by the nodes' own word.
    form();
}

redis_reply redis_cluster::must(std::size_t index, const std::vector<std::string>& words) {
    redis_reply out = node(index).ask(words);
    if (out.kind == '-') throw std::runtime_error("Redis refused " + words.at(0) + ": " + out.text);
    return out;
}

void redis_cluster::form() {
    for (std::size_t i = 0; i < nodes; ++i)
        must(i, {"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)});
    for (std::size_t i = 0; i < primaries; ++i)
        must(i, {"CLUSTER", "ADDSLOTSRANGE", std::to_string(slots * i / primaries),
                 std::to_string(slots * (i + 1) / primaries - 1)});
    for (std::size_t i = 1; i < nodes; ++i)
        must(0, {"CLUSTER", "MEET", "127.0.0.1", std::to_string(node(i).port()),
                 must(i, {"CONFIG", "GET", "cluster-port"}).parts.at(1).text});
    const bool known = wait_for(
        [&] {
            for (std::size_t i = 0; i < nodes; ++i)
                if (node(i).info({"CLUSTER", "INFO"}, "cluster_known_nodes") !=
                    std::to_string(nodes))
                    return false;
            return true;
        },
        30s);
    if (!known) throw std::runtime_error("Redis: the nodes of the cluster did not meet");
    for (std::size_t i = 0; i < primaries; ++i) {
        const std::size_t replica = primaries + i;
        // The replica must have heard of its primary's slots first.
        if (!wait_for(
                [&] { return node(replica).ask({"CLUSTER", "REPLICATE", ids_[i]}).kind == '+'; },
                30s))
            throw std::runtime_error("Redis: a node would not replicate another");
    }
    const bool linked = wait_for(
        [&] {
            for (std::size_t i = primaries; i < nodes; ++i)
                if (node(i).info({"INFO", "replication"}, "master_link_status") != "up")
                    return false;
            return true;
        },
        30s);
    if (!linked) throw std::runtime_error("Redis: a replica found no way to its primary");
    wait_until_ok();
}

bool redis_cluster::is_ok() {
    std::size_t size = 0;
    for (const auto& one : nodes_) {
        if (!one->running()) continue;
        ++size;
        if (one->info({"CLUSTER", "INFO"}, "cluster_state") != "ok") return false;
        const redis_reply ranges = one->ask({"CLUSTER", "SLOTS"});
        unsigned covered = 0;
        for (const redis_reply& range : ranges.parts) {
            const std::size_t index = index_of_port(range.parts.at(2).parts.at(1).text);
            if (!nodes_.at(index)->running()) return false;
            if (nodes_.at(index)->ask({"ROLE"}).parts.at(0).text != "master") return false;
            covered += static_cast<unsigned>(std::stoul(range.parts.at(1).text) -
                                             std::stoul(range.parts.at(0).text) + 1);
        }
        if (covered != slots) return false;
    }
    return size != 0;
}

void redis_cluster::wait_until_ok(std::chrono::milliseconds at_most) {
    if (!wait_for([this] { return is_ok(); }, at_most))
        throw std::runtime_error("Redis: the cluster does not become ok");
}

std::string redis_cluster::url() const {
    std::string out =
        "redis+cluster://" + (options_.password.empty() ? "" : ":" + options_.password + "@");
    for (const auto& one : nodes_)
        out += (one == nodes_.front() ? "" : ",") + ("127.0.0.1:" + std::to_string(one->port()));
    return out;
}

unsigned redis_cluster::slot_of(const std::string& key) {
    for (std::size_t i = 0; i < nodes; ++i)
        if (node(i).running())
            return static_cast<unsigned>(std::stoul(must(i, {"CLUSTER", "KEYSLOT", key}).text));
    throw std::runtime_error("Redis: no node of the cluster runs");
}

std::size_t redis_cluster::index_of_port(const std::string& port) const {
    for (std::size_t i = 0; i < nodes_.size(); ++i)
        if (std::to_string(nodes_[i]->port()) == port) return i;
    throw std::runtime_error("Redis: a node of another cluster on port " + port);
}

std::optional<std::size_t> redis_cluster::primary_as_seen_by(std::size_t index, unsigned slot) {
    for (const redis_reply& range : must(index, {"CLUSTER", "SLOTS"}).parts)
        if (std::stoul(range.parts.at(0).text) <= slot &&
            slot <= std::stoul(range.parts.at(1).text))
            return index_of_port(range.parts.at(2).parts.at(1).text);
    return std::nullopt;
}

std::size_t redis_cluster::primary_of(unsigned slot) {
    for (std::size_t i = 0; i < nodes; ++i) {
        if (!node(i).running()) continue;
        const std::optional<std::size_t> primary = primary_as_seen_by(i, slot);
        if (primary) return *primary;
    }
    throw std::runtime_error("Redis: nobody serves slot " + std::to_string(slot));
}

void redis_cluster::begin_move(unsigned slot, std::size_t to) {
    const std::size_t from = primary_of(slot);
    must(to, {"CLUSTER", "SETSLOT", std::to_string(slot), "IMPORTING", ids_.at(from)});
    must(from, {"CLUSTER", "SETSLOT", std::to_string(slot), "MIGRATING", ids_.at(to)});
}

void redis_cluster::move_keys(unsigned slot, std::size_t to, std::size_t keys_max) {
    const std::size_t from = primary_of(slot);
    std::vector<std::string> words = {"MIGRATE", "127.0.0.1", std::to_string(node(to).port()),
                                      "",        "0",         "5000"};
    if (!options_.password.empty()) words.insert(words.end(), {"AUTH", options_.password});
    words.emplace_back("KEYS");
    for (std::size_t moved = 0; moved < keys_max;) {
        const std::size_t page = std::min<std::size_t>(100, keys_max - moved);
        const redis_reply keys =
            must(from, {"CLUSTER", "GETKEYSINSLOT", std::to_string(slot), std::to_string(page)});
        if (keys.parts.empty()) return;
        std::vector<std::string> all = words;
        for (const redis_reply& key : keys.parts) all.push_back(key.text);
        must(from, all);
        moved += keys.parts.size();
    }
}

void redis_cluster::end_move(unsigned slot, std::size_t to) {
    const std::size_t from = primary_of(slot);
    // A key that came in between went to where it will live; the rest follows.
    move_keys(slot, to);
    must(to, {"CLUSTER", "SETSLOT", std::to_string(slot), "NODE", ids_.at(to)});
    must(from, {"CLUSTER", "SETSLOT", std::to_string(slot), "NODE", ids_.at(to)});
    // Until all have heard of it: another move is asked of the one that they name.
    const auto agreed = [&] {
        for (std::size_t i = 0; i < nodes; ++i)
            if (node(i).running() && primary_as_seen_by(i, slot) != to) return false;
        return true;
    };
    if (!wait_for(agreed, 30s))
        throw std::runtime_error("Redis: the nodes do not agree on slot " + std::to_string(slot));
}

void redis_cluster::move_slot(unsigned slot, std::size_t to) {
    begin_move(slot, to);
    end_move(slot, to);
}

redis_sentinels::redis_sentinels(redis_sentinels_options options) : options_(std::move(options)) {
    const redis_options plain{.password = options_.password, .program = options_.program};
    first_ = std::make_unique<redis_server>(plain);
    const std::string port = std::to_string(first_->port());
    redis_options following = plain;
    following.lines = {"replicaof 127.0.0.1 " + port};
    second_ = std::make_unique<redis_server>(following);
    const auto linked = [this] {
        return second_->info({"INFO", "replication"}, "master_link_status") == "up";
    };
    if (!wait_for(linked, 30s)) throw std::runtime_error("Redis: the replica does not follow");
    for (int i = 0; i < 3; ++i) {
        redis_options watching{.sentinel = true, .program = options_.program};
        watching.lines = {
            "sentinel monitor lethe 127.0.0.1 " + port + " 2",
            "sentinel down-after-milliseconds lethe " + std::to_string(options_.down_after.count()),
            "sentinel failover-timeout lethe 3000"};
        if (!options_.password.empty())
            watching.lines.push_back("sentinel auth-pass lethe " + options_.password);
        sentinels_.push_back(std::make_unique<redis_server>(watching));
    }
    const auto complete = [this] {
        for (const auto& one : sentinels_) {
            if (one->ask({"SENTINEL", "CKQUORUM", "lethe"}).kind != '+') return false;
            if (one->ask({"SENTINEL", "SENTINELS", "lethe"}).parts.size() != 2) return false;
            if (one->ask({"SENTINEL", "REPLICAS", "lethe"}).parts.size() != 1) return false;
        }
        return true;
    };
    if (!wait_for(complete, 30s))
        throw std::runtime_error("Redis: the sentinels do not find one another");
    wait_until_primary(*first_);
}

std::string redis_sentinels::url() const {
    std::string out =
        "redis+sentinel://" + (options_.password.empty() ? "" : ":" + options_.password + "@");
    for (const auto& one : sentinels_)
        out +=
            (one == sentinels_.front() ? "" : ",") + ("127.0.0.1:" + std::to_string(one->port()));
    return out + "/lethe";
}

std::uint16_t redis_sentinels::primary_port() {
    for (const auto& one : sentinels_) {
        if (!one->running()) continue;
        const redis_reply place = one->ask({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "lethe"});
        return static_cast<std::uint16_t>(std::stoul(place.parts.at(1).text));
    }
    throw std::runtime_error("Redis: no sentinel runs");
}

void redis_sentinels::wait_until_primary(redis_server& wanted, std::chrono::milliseconds at_most) {
    const std::string port = std::to_string(wanted.port());
    const auto agreed = [&] {
        for (const auto& one : sentinels_) {
            if (!one->running()) continue;
            const redis_reply place = one->ask({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "lethe"});
            if (place.parts.size() != 2 || place.parts[1].text != port) return false;
        }
        return wanted.running() && wanted.ask({"ROLE"}).parts.at(0).text == "master";
    };
    if (!wait_for(agreed, at_most))
        throw std::runtime_error("Redis: the sentinels do not agree on the primary");
}

}  // namespace lethe::test
