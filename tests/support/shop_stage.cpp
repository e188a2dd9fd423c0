#include "support/shop_stage.hpp"

#include "support/servers.hpp"

#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace lethe::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds start_time_max{20};
constexpr seconds command_time_max{20};
constexpr const char* issuer = "https://id.shop.example";

std::string read_file(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return std::move(out).str();
}

void write_file(const std::filesystem::path& file, const std::string& text) {
    std::ofstream out(file, std::ios::binary);
    out << text;
    out.close();
    if (!out) throw std::runtime_error("cannot write " + file.string());
}

std::string last_lines(const std::filesystem::path& file) {
    constexpr std::size_t bytes_max = 2000;
    const std::string text = read_file(file);
    return text.size() <= bytes_max ? text : "…" + text.substr(text.size() - bytes_max);
}

std::string loopback(std::uint16_t port) {
    return "\"127.0.0.1:" + std::to_string(port) + '"';
}

}  // namespace

field_list bearer(const std::string& token) {
    return {{"Authorization", "Bearer " + token}};
}

shop_stage::shop_stage(stage_options options)
    : options_(std::move(options)), folder_("lethe-stage-") {
    ports_ = free_ports(options_.replicas + 2 * options_.gateways);
    replicas_.resize(options_.replicas);
    gateways_.resize(options_.gateways);
}

shop_stage::~shop_stage() = default;

std::uint16_t shop_stage::replica_port(std::size_t index) const {
    return ports_.at(index);
}
std::string shop_stage::replica_name(std::size_t index) const {
    return "shop-" + std::to_string(index + 1);
}
std::uint16_t shop_stage::gateway_port(std::size_t index) const {
    return ports_.at(options_.replicas + 2 * index);
}
std::uint16_t shop_stage::admin_port(std::size_t index) const {
    return ports_.at(options_.replicas + 2 * index + 1);
}

void shop_stage::open() {
    make_keys();
    choose_store();
    for (std::size_t i = 0; i < options_.gateways; ++i) write_configuration(i);
    for (std::size_t i = 0; i < options_.replicas; ++i) start_replica(i);
    for (std::size_t i = 0; i < options_.gateways; ++i) start_gateway(i);
}

std::string shop_stage::run_lethe(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), options_.lethe.string());
    const finished_command done = run_command(arguments, command_time_max);
    if (done.exit == 0) return done.output;
    std::string line;
    for (const std::string& word : arguments) line += word + ' ';
    throw std::runtime_error(line + "ended with " + std::to_string(done.exit) + ": " + done.output);
}

// The shop's own key and another one that only has the same name.
void shop_stage::make_keys() {
    for (const char* const name : {"key.jwk", "forgers.jwk"})
        run_lethe({"token", "key", "--alg", "ES256", "--kid", "shop-1", "--out",
                   (folder() / name).string()});
    write_file(folder() / "jwks.json",
               run_lethe({"token", "jwks", (folder() / "key.jwk").string()}));
}

std::string shop_stage::sign(const std::string& key, const std::string& subject,
                             const std::string& ttl) const {
    std::string made = run_lethe({"token", "sign", "--key", (folder() / key).string(), "--iss",
                                  issuer, "--aud", "shop", "--sub", subject, "--ttl=" + ttl});
    while (!made.empty() && made.back() == '\n') made.pop_back();
    return made;
}

std::string shop_stage::token(const std::string& subject) const {
    return sign("key.jwk", subject, "8h");
}
std::string shop_stage::expired_token(const std::string& subject) const {
    return sign("key.jwk", subject, "-1h");
}
std::string shop_stage::forged_token(const std::string& subject) const {
    return sign("forgers.jwk", subject, "8h");
}

std::string shop_stage::start_servers(const std::string& kind) {
    const auto keep = [this](auto made) {
        servers_ = made;
        return made->url();
    };
    const auto keep_one = [this, &keep](auto made) {
        store_server_ = store_control{.port = made->port(),
                                      .kill_now = [made] { made->kill_now(); },
                                      .start = [made] { made->start(); }};
        return keep(made);
    };
    if (kind == "redis") return keep_one(std::make_shared<redis_server>());
    if (kind == "redis-cluster") return keep(std::make_shared<redis_cluster>());
    if (kind == "postgres") return keep_one(std::make_shared<postgres_server>());
    if (kind == "memcached") return keep(std::make_shared<memcached_server>());
    throw std::runtime_error("'" + kind +
                             "' is no store: give a URL, or redis, redis-cluster, postgres or "
                             "memcached");
}

void shop_stage::choose_store() {
    if (options_.store.empty()) return;
    const bool is_url = options_.store.find(':') != std::string::npos;
    store_url_ = is_url ? options_.store : start_servers(options_.store);
    tenant_ = "stage-" + std::to_string(std::random_device{}());
    if (options_.proxied) {
        if (!store_server_) throw std::runtime_error("there is no server to put a proxy before");
        store_proxy_ = std::make_unique<fault_proxy>(store_server_->port);
    }
    // Of a URL that somebody gave, the scheme alone: it may hold a password.
    store_note_ = is_url ? "state lives in the given " +
                               options_.store.substr(0, options_.store.find(':')) + " store"
                         : "state lives in " + options_.store + ", started for this alone";
    // lethe itself knows which stores may forget.
    write_configuration(0);
    const finished_command checked = run_command(
        {options_.lethe.string(), "config", "check", (folder() / "lethe-1.yaml").string()},
        command_time_max);
    if (checked.exit == 0) return;
    if (checked.output.find("allow_lossy: true") == std::string::npos)
        throw std::runtime_error(checked.output);
    allow_lossy_ = true;
    store_note_ += "; it may forget, so allow_lossy: true is set";
}

void shop_stage::write_configuration(std::size_t gateway) {
    std::string replicas;
    for (std::size_t i = 0; i < options_.replicas; ++i)
        replicas +=
            (i == 0 ? "" : ", ") + ("\"http://127.0.0.1:" + std::to_string(replica_port(i)) + '"');
    const std::string authenticate =
        "    authenticate: {issuers: [shop-id], forward: {sub: X-User}}\n";
    const std::string lossy = allow_lossy_ ? ", allow_lossy: true" : "";
    const std::string cart = "    session: {read: [cart], write: [cart]" + lossy + "}\n";
    std::string extra = lossy;
    if (!options_.idempotency.empty()) extra += ", " + options_.idempotency;
    if (!tenant_.empty()) extra += ", tenant: " + tenant_;
    std::string store = store_url_;
    if (store_proxy_ && gateway == 0) {
        const std::string port = ':' + std::to_string(store_server_->port);
        store.replace(store.find(port), port.size(), ':' + std::to_string(store_proxy_->port()));
    }
    std::string text;
    text += "listen: [{address: " + loopback(gateway_port(gateway)) + "}]\n";
    text += "admin: {address: " + loopback(admin_port(gateway)) + "}\n";
    text += "workers: 2\n";
    text += "store: \"" + store + "\"\n";
    text += "log: {level: " + options_.log_level + "}\n";
    text += "issuers:\n";
    text += "  - {name: shop-id, issuer: \"" + std::string(issuer) +
            "\", audience: [shop], algorithms: [ES256], keys: {file: jwks.json}}\n";
    text += "upstreams:\n";
    text += "  - name: shop\n";
    text += "    replicas: [" + replicas + "]\n";
    text += "    balance: round_robin\n";
    text += "    health: {path: /healthz, interval: 200ms}\n";
    text += "    ejection: {for: 500ms}\n";
    text += options_.more_upstreams;
    text += "routes:\n" + options_.more_routes;
    text += "  - match: {path: /orders, methods: [POST]}\n" + authenticate + cart;
    text += "    idempotency: {mode: required" + extra + "}\n    upstream: shop\n";
    text += "  - match: {prefix: /cart}\n" + authenticate + cart;
    text += "    idempotency: {mode: optional" + extra + "}\n    upstream: shop\n";
    text += "  - match: {path: /healthz}\n    upstream: shop\n";
    text += "  - match: {prefix: /}\n" + authenticate + "    upstream: shop\n";
    write_file(folder() / ("lethe-" + std::to_string(gateway + 1) + ".yaml"), text);
}

void shop_stage::wait_until_ready(process& who, std::uint16_t port, std::string path,
                                  const std::filesystem::path& log) {
    const auto until = steady_clock::now() + start_time_max;
    while (true) {
        client asking(port, seconds{2});
        const http_answer answer = asking.get(path);
        if (answer.complete() && answer.status == 200) return;
        if (answer.failure == http_failure::interrupted) throw std::runtime_error("interrupted");
        if (!who.running()) throw std::runtime_error("a process ended at once: " + last_lines(log));
        if (steady_clock::now() >= until)
            throw std::runtime_error("not ready in time: " + log.string() + ": " + last_lines(log));
        if (meanwhile_) meanwhile_();
        std::this_thread::sleep_for(milliseconds{10});
    }
}

void shop_stage::start_replica(std::size_t index) {
    const std::filesystem::path log = folder() / (replica_name(index) + ".log");
    process_options options{.command = options_.shop, .output = log};
    for (const std::string& word :
         {std::string("--port"), std::to_string(replica_port(index)), std::string("--name"),
          replica_name(index), std::string("--db"), (folder() / "orders.db").string()})
        options.command.push_back(word);
    replicas_.at(index).emplace(options);
    wait_until_ready(*replicas_.at(index), replica_port(index), "/healthz", log);
}

void shop_stage::start_gateway(std::size_t index) {
    const std::string name = "lethe-" + std::to_string(index + 1);
    const std::filesystem::path log = folder() / (name + ".log");
    std::vector<std::string> command;
    if (index == 0) command = options_.first_gateway_under;
    for (const std::string& word : {options_.lethe.string(), std::string("serve"),
                                    std::string("-c"), (folder() / (name + ".yaml")).string()})
        command.push_back(word);
    gateways_.at(index).emplace(
        process_options{.command = command, .output = log, .working_folder = folder()});
    wait_until_ready(*gateways_.at(index), admin_port(index), "/readyz", log);
}

std::string shop_stage::ask_a_replica(const std::string& target, const std::string& user) {
    for (std::size_t i = 0; i < options_.replicas; ++i) {
        client asking(replica_port(i));
        const http_answer answer = asking.get(target, {{"X-User", user}});
        if (answer.complete() && answer.status == 200) return answer.body;
    }
    throw std::runtime_error("no replica answers " + target);
}

long shop_stage::count_orders() {
    const std::string body = ask_a_replica("/orders/count", "nobody");
    const std::size_t colon = body.find(':');
    if (colon == std::string::npos) throw std::runtime_error("not a count: " + body);
    return std::stol(body.substr(colon + 1));
}

std::string shop_stage::orders_of(const std::string& user) {
    return ask_a_replica("/orders", user);
}

}  // namespace lethe::test
