#include "gateway/gateway.hpp"

#include "base/log.hpp"
#include "identity/forward.hpp"
#include "net/errors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <set>
#include <thread>

namespace lethe::gateway {
namespace {

// Runs `work` on a worker and waits for its answer.
template <class Work>
auto ask_worker(net::worker& on, Work work) -> decltype(work()) {
    std::promise<decltype(work())> answer;
    on.post([&] {
        if constexpr (std::is_void_v<decltype(work())>) {
            work();
            answer.set_value();
        } else {
            answer.set_value(work());
        }
    });
    return answer.get_future().get();
}

std::string why_cannot_listen(const net::address& at, const error_code& error) {
    if (error == net::errc::not_inherited)
        return fmt::format(
            "cannot listen on {}: the service manager passed no listening socket of that name. Is "
            "lethe started by systemd, with a socket unit whose FileDescriptorName is {}?",
            net::to_text(at), at.host);
    if (at.kind == net::address_kind::path)
        return fmt::format(
            "cannot listen on {}: {}. Is the path's directory there, may this user write to it, "
            "and is the path a socket of no process that runs?",
            net::to_text(at), error.message());
    if (error == net::errc::address_in_use)
        return fmt::format(
            "cannot listen on {}: another process does already. Stop it, or choose another address "
            "(`ss -ltnp` shows who listens).",
            net::to_text(at));
    return fmt::format(
        "cannot listen on {}: {}. Is the address one of this machine's, and may this user listen "
        "on "
        "port {}?",
        net::to_text(at), error.message(), at.port);
}

std::size_t worker_count(const config::configuration& of) {
    return of.workers != 0 ? of.workers : std::max(1U, std::thread::hardware_concurrency());
}

std::shared_ptr<const session::handle_keys> make_handle_keys(const config::configuration& from,
                                                             const secret& own_key) {
    if (!from.session_api) return nullptr;
    const std::vector<std::string>& given = from.session_api->keys;
    return std::make_shared<session::handle_keys>(
        given.empty() ? std::vector{std::string(own_key.reveal())} : given);
}

// The tables of limits that are as they were are taken over: a reload gives no client a new burst.
std::vector<limit_tables> make_limit_tables(const config::configuration& from,
                                            const shared_parts* before) {
    const std::unique_ptr<random_source> random = make_secure_random();
    std::vector<limit_tables> out;
    for (const config::route_options& route : from.routes) {
        limit_tables made{route.name, route.limits, {}};
        const auto is_same = [&made](const limit_tables& one) {
            return one.route == made.route && one.of == made.of;
        };
        if (before != nullptr)
            if (const auto kept = std::ranges::find_if(before->limited, is_same);
                kept != before->limited.end())
                made.tables = kept->tables;
        if (made.tables.empty())
            for (const limits::options& one : route.limits)
                made.tables.push_back(
                    std::make_shared<limits::client_table>(one.clients_max, *random));
        out.push_back(std::move(made));
    }
    return out;
}

result<std::shared_ptr<const shared_parts>> make_shared_parts(config::configuration from,
                                                              const secret& own_handle_key,
                                                              const shared_parts* before,
                                                              std::string& why) {
    auto out = std::make_shared<shared_parts>();
    identity::loaded_issuers loaded = identity::load_issuers(from.issuers);
    for (const std::string& warning : loaded.warnings)
        log::warn("gateway.issuer_warning", {{"what", warning}});
    if (!loaded.problems.empty()) {
        for (const std::string& problem : loaded.problems)
            why += (why.empty() ? "" : "\nlethe: ") + problem;
        return LETHE_ERR(errc::cannot_start);
    }
    out->issuers = std::move(loaded.issuers);
    session::loaded_keyring keys =
        session::load_keyring(from.sessions.keys, from.sessions.retired_keys);
    if (!keys.problem.empty()) {
        why = "sessions.keys: " + keys.problem;
        return LETHE_ERR(errc::cannot_start);
    }
    out->session_keys = std::move(keys.ring);
    std::vector<identity::authenticate_options> authenticated;
    for (const config::route_options& one : from.routes)
        if (one.authenticate) authenticated.push_back(*one.authenticate);
    out->identity_fields = identity::forwarded_fields(authenticated);
    out->trusted = trusted_peers(from.trusted_proxies);
    out->handle_keys = make_handle_keys(from, own_handle_key);
    for (const upstream::options& one : from.upstreams) {
        std::string reason;
        result<std::optional<net::tls_client>> tls = upstream::make_tls(one, reason);
        if (tls.has_error()) {
            why = fmt::format("TLS to upstream {}: {}", one.name, reason);
            return tls.error();
        }
        out->upstream_tls.push_back(*std::move(tls));
    }
    out->limited = make_limit_tables(from, before);
    out->config = std::move(from);
    return std::shared_ptr<const shared_parts>(std::move(out));
}

// A store that no route uses is not opened: a plain proxy leaves no file behind.
std::set<std::string> used_stores(const config::configuration& of) {
    std::set<std::string> out;
    for (const config::route_options& one : of.routes) {
        if (one.session && !one.session->store.empty()) out.insert(one.session->store);
        if (one.idempotency) out.insert(one.idempotency->store);
        for (const limits::options& limit : one.limits)
            if (!limit.store.empty()) out.insert(limit.store);
    }
    return out;
}

// In Unix time; 0: there is no certificate.
std::int64_t first_end_of(const std::vector<http::door_options>& all) {
    system_time end = system_time::max();
    for (const http::door_options& one : all)
        if (one.tls) end = std::min(end, one.tls->expiry());
    if (end == system_time::max()) return 0;
    return std::chrono::duration_cast<std::chrono::seconds>(end.time_since_epoch()).count();
}

}  // namespace

error_code make_error_code(errc e) noexcept {
    static constexpr error_row rows[] = {
        {int(errc::cannot_start), "the gateway cannot start", condition::unavailable}};
    static const table_category instance{"lethe.gateway", rows};
    return {static_cast<int>(e), instance};
}

result<std::unique_ptr<gateway>> gateway::start(config::configuration with, std::string& why) {
    std::unique_ptr<gateway> made(new gateway());
    made->make_own_keys();
    LETHE_TRY(made->shared_,
              make_shared_parts(std::move(with), made->own_handle_key_, nullptr, why));
    const result<> opened = made->open_stores(why);
    if (opened.has_error()) return opened.error();
    const config::server_limits& limits = made->config().limits;
    made->large_bodies_ = std::make_unique<http::spool>(
        http::spool_options{.directory = limits.spool_directory, .bytes_max = limits.spool_bytes});
    for (unsigned i = 0; i < worker_count(made->config()); ++i)
        made->workers_.push_back(std::make_unique<gateway_worker>(
            i, made->stores_, *made->large_bodies_, made->shared_));
    const result<> listening = made->listen(why);
    if (listening.has_error()) return listening.error();
    for (const auto& one : made->workers_) one->worker().start();
    made->watch_upstreams();
    made->workers_.front()->worker().post(
        [&first = *made->workers_.front()] { first.examine_stores(); });
    return made;
}

// What the engines still answer goes to the workers' loops, which must be there then.
gateway::~gateway() {
    for (const auto& one : workers_) one->worker().stop();
    for (const auto& [name, engine] : stores_) engine->close();
    workers_.clear();
}

// A process that takes over goes on with the giver's: what those sealed still opens.
void gateway::make_own_keys() {
    constexpr std::size_t key_bytes = session::handle_key_bytes_min;
    secret both = net::take_handed_keys();
    if (both.reveal().size() != 2 * key_bytes)
        both = secret(make_secure_random()->bytes(2 * key_bytes));
    own_handle_key_ = secret(std::string(both.reveal().substr(0, key_bytes)));
    own_ticket_key_ = secret(std::string(both.reveal().substr(key_bytes)));
}

net::hand_over gateway::to_hand_over() const {
    net::hand_over out;
    for (const net::listening_socket& one : sockets_) one.add_to(out);
    out.keys =
        secret(std::string(own_handle_key_.reveal()) + std::string(own_ticket_key_.reveal()));
    return out;
}

void gateway::take_over() {
    for (net::listening_socket& one : sockets_) one.adopt();
    net::tell_giver();
}

result<> gateway::open_stores(std::string& why) {
    for (const std::string& name : used_stores(config())) {
        std::string reason;
        const config::store_options& options = config().stores.at(name);
        result<std::unique_ptr<store::engine>> opened =
            store::open_moving(options.url, options.previous, {.name = name}, reason);
        if (opened.has_error()) {
            why = fmt::format("store {}: {}", name, reason);
            return opened.error();
        }
        stores_[name] = *std::move(opened);
    }
    return {};
}

result<net::address> gateway::listen_at(const net::address& at, unsigned unix_mode,
                                        std::size_t workers, const opener& open, std::string& why) {
    result<net::listening_socket> made = net::open_listening(at, unix_mode);
    if (made.has_error()) {
        why = why_cannot_listen(at, made.error());
        return made.error();
    }
    net::listening_socket& kept = sockets_.emplace_back(*std::move(made));
    for (std::size_t i = 0; i < workers; ++i) {
        const result<> listening = open(*workers_[i], kept);
        if (listening.has_error()) {
            why = why_cannot_listen(at, listening.error());
            return listening.error();
        }
    }
    if (!kept.all_taken()) {
        why = fmt::format(
            "cannot take over {}: the process before had more workers. An upgrade needs as many or "
            "more; for fewer, restart.",
            net::to_text(at));
        return LETHE_ERR(errc::cannot_start);
    }
    return kept.local();
}

result<> gateway::listen(std::string& why) {
    opened_ = config().listen;
    LETHE_TRY(const std::vector<http::door_options> doors, make_doors(opened_, shared_, why));
    certificates_end_ = first_end_of(doors);
    for (std::size_t i = 0; i < opened_.size(); ++i) {
        const opener open = [&one = doors[i]](gateway_worker& on, net::listening_socket& at) {
            return on.listen(at, one);
        };
        LETHE_TRY(const net::address at,
                  listen_at(opened_[i].address, opened_[i].unix_mode, workers_.size(), open, why));
        addresses_.push_back(at);
    }
    if (config().session_api) {
        const opener open = [](gateway_worker& on, net::listening_socket& at) {
            return on.listen_session_api(at);
        };
        LETHE_TRY(const net::address at,
                  listen_at(config().session_api->address, 0, workers_.size(), open, why));
        log::info("gateway.session_api_listening", {{"address", net::to_text(at)}});
    }
    if (!config().admin) return {};
    const opener open = [this](gateway_worker& on, net::listening_socket& at) {
        return on.listen_admin(at, *config().admin, make_admin_source());
    };
    LETHE_TRY(const net::address admin, listen_at(config().admin->address, 0, 1, open, why));
    log::info("gateway.admin_listening", {{"address", net::to_text(admin)}});
    return {};
}

result<std::vector<http::door_options>> gateway::make_doors(
    const std::vector<config::listener_options>& of, std::shared_ptr<const shared_parts> with,
    std::string& why) {
    // Looked at first: what changes while they are read is read again.
    certificates_ = file_watch(tls_files(of));
    LETHE_TRY(listener_tls tls,
              make_listener_tls(of, own_ticket_key_, workers_.front()->worker().time(), why));
    std::vector<http::door_options> out(of.size());
    for (std::size_t i = 0; i < of.size(); ++i) {
        out[i].tls = std::move(tls[i]);
        out[i].http2 = of[i].http2;
        if (of[i].proxy_protocol)
            out[i].proxies = [with](std::string_view address) {
                return with->trusted.contains(address);
            };
    }
    return out;
}

void gateway::use_doors(const std::vector<http::door_options>& fresh) {
    certificates_end_ = first_end_of(fresh);
    for (const auto& one : workers_) ask_worker(one->worker(), [&] { one->use_doors(fresh); });
}

void gateway::follow_certificates() {
    if (!certificates_.changed()) return;
    std::string why;
    const result<std::vector<http::door_options>> fresh = make_doors(opened_, shared_, why);
    if (fresh.has_error()) {
        log::error("gateway.certificates_refused", {{"why", why}});
        return;
    }
    use_doors(*fresh);
    log::info("gateway.certificates_reloaded");
}

void gateway::watch_memory() {
    const std::uint64_t used = resident_bytes().value_or(0);
    const std::uint64_t most = memory_max(config().limits.memory_bytes);
    memory_used_ = static_cast<std::int64_t>(used);
    memory_max_ = static_cast<std::int64_t>(most);
    const memory_pressure level = next_pressure(pressure_, used, most);
    // What was freed may still be held by the allocator, and would count.
    if (level != memory_pressure::none) give_back_free_memory();
    if (level == pressure_) return;
    const bool was_short = pressure_ != memory_pressure::none;
    pressure_ = level;
    if (level != memory_pressure::none)
        log::warn("gateway.memory_short",
                  {{"bytes", used},
                   {"bytes_max", most},
                   {"refused",
                    level == memory_pressure::full ? "requests and connections" : "large bodies"}});
    else if (was_short)
        log::info("gateway.memory_recovered", {{"bytes", used}, {"bytes_max", most}});
    for (const auto& one : workers_) one->worker().post([&to = *one, level] { to.use(level); });
}

admin_source gateway::make_admin_source() {
    return {
        .why_not_ready = [this] { return why_not_ready(); },
        .metrics = [this] { return metrics_text(); },
    };
}

task<std::string> gateway::why_not_ready() {
    if (draining_) co_return "draining";
    co_return co_await workers_.front()->ask_stores();
}

std::string gateway::metrics_text() const {
    std::vector<const metrics::registry*> all;
    for (const auto& one : workers_) all.push_back(&one->worker().metrics());
    for (const auto& [name, engine] : stores_) {
        const auto more = engine->metrics();
        all.insert(all.end(), more.begin(), more.end());
    }
    metrics::registry process;
    process.make_gauge("lethe_gateway_workers", "Workers.")
        .set(static_cast<std::int64_t>(workers_.size()));
    process.make_gauge("lethe_gateway_memory_bytes", "Memory that the process takes (resident).")
        .set(memory_used_);
    process
        .make_gauge("lethe_gateway_memory_max_bytes",
                    "Above it requests and connections are refused; 0: no limit.")
        .set(memory_max_);
    if (const std::int64_t end = certificates_end_; end != 0)
        process
            .make_gauge("lethe_tls_certificate_expiry_seconds",
                        "When the first of the listeners' certificates ends, in Unix time.")
            .set(end);
    process
        .make_counter("lethe_bugs_total", "Broken promises inside lethe; each dropped a request.")
        .add(bugs_met());
    process.make_counter("lethe_log_lines_dropped_total", "Log lines that nobody took in time.")
        .add(log::lines_dropped());
    all.push_back(&process);
    return metrics::to_prometheus(all);
}

// The first worker watches for all: replicas and name servers are not asked once per worker.
void gateway::watch_upstreams() {
    gateway_worker& first = *workers_.front();
    first.worker().post([this, &first] {
        first.watch_upstreams([this](std::shared_ptr<const shared_parts> of, std::size_t upstream,
                                     upstream::pool_change change) {
            for (const auto& one : workers_)
                one->worker().post(
                    [&to = *one, of, upstream, change] { to.change_pool(of, upstream, change); });
        });
    });
}

result<> gateway::reload(config::configuration fresh, std::string& why) {
    for (const std::string& name : used_stores(fresh)) {
        if (stores_.contains(name)) continue;
        why = fmt::format("store {} was not in use when lethe started: restart it to use it", name);
        return LETHE_ERR(errc::cannot_start);
    }
    LETHE_TRY(std::shared_ptr<const shared_parts> shared,
              make_shared_parts(std::move(fresh), own_handle_key_, shared_.get(), why));
    std::vector<config::listener_options> opened = with_options_of(opened_, shared->config.listen);
    const result<std::vector<http::door_options>> doors = make_doors(opened, shared, why);
    if (doors.has_error()) {
        certificates_ = file_watch(tls_files(opened_));
        return doors.error();
    }
    shared_ = std::move(shared);
    opened_ = std::move(opened);
    for (const auto& one : workers_) ask_worker(one->worker(), [&] { one->use(shared_); });
    use_doors(*doors);
    watch_upstreams();
    log::set_level(config().log.level);
    return {};
}

// Services need their sessions until their last answer: that listener drains behind the others.
bool gateway::drained(http::server::sockets who) {
    const auto all = [this](auto question) {
        return std::all_of(workers_.begin(), workers_.end(), [question](const auto& one) {
            return ask_worker(one->worker(), [&one, question] { return (*one.*question)(); });
        });
    };
    if (!all(&gateway_worker::drained)) return false;
    if (!std::exchange(draining_session_api_, true))
        for (const auto& one : workers_)
            ask_worker(one->worker(), [&one, who] { one->drain_session_api(who); });
    return all(&gateway_worker::session_api_drained);
}

bool gateway::drain(bool (*hurry)(), http::server::sockets who) {
    draining_ = who == http::server::sockets::ours;
    // Whoever comes by a path from now on is refused at once.
    for (net::listening_socket& one : sockets_) {
        if (who == http::server::sockets::handed_over) one.disown();
        one.withdraw();
    }
    for (const auto& one : workers_) ask_worker(one->worker(), [&] { one->drain(who); });
    const auto until = workers_.front()->worker().time().steady_now() + config().timeouts.drain;
    while (!drained(who)) {
        if (hurry() || workers_.front()->worker().time().steady_now() >= until) return false;
        // lint: allow(sleep) because it is the gateway's own thread, which has nothing else to do
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
}

}  // namespace lethe::gateway
