#include "net/names.hpp"

#include "net/dns_answer.hpp"
#include "net/errors.hpp"
#include "net/suspension.hpp"
#include "net/worker_impl.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

namespace lethe::net {
namespace {

namespace asio = boost::asio;
using addresses = std::vector<named_address>;

// Targets of one service that are looked up; more are left out.
constexpr std::size_t targets_max = 64;

// The C library's state of one conversation with name servers.
class resolver_state {
 public:
    explicit resolver_state(const std::optional<address>& server) {
        begun_ = ::res_ninit(&state_) == 0;
        // A worker that stops waits for a question under way: at most 3 s for each server.
        state_.retrans = 1;
        state_.retry = 2;
        if (begun_ && server) begun_ = use(*server);
    }
    ~resolver_state() { ::res_nclose(&state_); }
    resolver_state(const resolver_state&) = delete;
    resolver_state& operator=(const resolver_state&) = delete;

    // No record of the type: unknown_host.
    result<std::vector<dns_record>> ask(const std::string& name, dns_type type, bool search) {
        if (!begun_) return LETHE_ERR(errc::name_server_failed);
        std::vector<unsigned char> answer(NS_MAXMSG);
        const auto question = search ? ::res_nsearch : ::res_nquery;
        const int bytes = question(&state_, name.c_str(), ns_c_in, static_cast<int>(type),
                                   answer.data(), static_cast<int>(answer.size()));
        if (bytes < 0) {
            const bool none = state_.res_h_errno == HOST_NOT_FOUND || state_.res_h_errno == NO_DATA;
            return none ? LETHE_ERR(errc::unknown_host) : LETHE_ERR(errc::name_server_failed);
        }
        answer.resize(std::min(answer.size(), static_cast<std::size_t>(bytes)));
        LETHE_TRY(std::vector<dns_record> found, parse_dns_answer(answer, type));
        if (found.empty()) return LETHE_ERR(errc::unknown_host);
        return found;
    }

 private:
    // In place of those of resolv.conf.
    bool use(const address& server) {
        state_.nscount = 1;
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(server.port);
        if (::inet_pton(AF_INET, server.host.c_str(), &v4.sin_addr) == 1) {
            state_.nsaddr_list[0] = v4;
            return true;
        }
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(server.port);
        if (::inet_pton(AF_INET6, server.host.c_str(), &v6.sin6_addr) != 1) return false;
        // The place of IPv6 servers; res_nclose() frees it.
        sockaddr_in6*& place = state_._u._ext.nsaddrs[0];
        if (place == nullptr) place = static_cast<sockaddr_in6*>(std::malloc(sizeof v6));
        if (place == nullptr) return false;
        std::memcpy(place, &v6, sizeof v6);
        state_.nsaddr_list[0].sin_family = 0;
        return true;
    }

    struct __res_state state_{};
    bool begun_ = false;
};

result<std::vector<std::string>> hosts_of_system(const std::string& name) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;  // no IPv6 addresses where there is no IPv6
    addrinfo* found = nullptr;
    const int failed = ::getaddrinfo(name.c_str(), nullptr, &hints, &found);
    if (failed == EAI_NONAME || failed == EAI_NODATA) return LETHE_ERR(errc::unknown_host);
    if (failed != 0) return LETHE_ERR(errc::name_server_failed);
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
    std::vector<std::string> out;
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
        char text[NI_MAXHOST];
        if (::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0,
                          NI_NUMERICHOST) == 0)
            out.emplace_back(text);
    }
    return out;
}

result<std::vector<std::string>> hosts_of(const std::string& name,
                                          const std::optional<address>& server) {
    if (!server) return hosts_of_system(name);
    resolver_state state(server);
    const result<std::vector<dns_record>> v4 = state.ask(name, dns_type::a, false);
    // A server that is away is not asked twice.
    if (v4.has_error() && v4.error() != errc::unknown_host) return v4.error();
    const result<std::vector<dns_record>> v6 = state.ask(name, dns_type::aaaa, false);
    std::vector<std::string> out;
    for (const auto* records : {&v4, &v6}) {
        if (records->has_error()) continue;
        for (const dns_record& one : **records) out.push_back(one.host);
    }
    // There are servers that fail for kinds they do not know: the other kind is enough.
    if (out.empty()) return v6.error();
    return out;
}

result<addresses> find_services(const name_question& what, steady_time until) {
    resolver_state state(what.server);
    LETHE_TRY(std::vector<dns_record> services,
              state.ask(what.name, dns_type::srv, !what.server.has_value()));
    const std::uint16_t lowest = std::ranges::min(services, {}, &dns_record::priority).priority;
    std::erase_if(services, [lowest](const dns_record& one) {
        return one.priority != lowest || one.host == "." || one.port == 0;
    });
    if (services.size() > targets_max) services.resize(targets_max);
    addresses out;
    for (const dns_record& one : services) {
        // lint: allow(clock) because this thread is no worker's
        if (std::chrono::steady_clock::now() >= until) return LETHE_ERR(errc::timeout);
        const result<std::vector<std::string>> hosts = hosts_of(one.host, what.server);
        // One whose server is away has not gone: then nothing is known of the whole.
        if (hosts.has_error() && hosts.error() != errc::unknown_host) return hosts.error();
        if (hosts.has_error()) continue;
        for (const std::string& host : *hosts) out.push_back({host, one.port, one.weight});
    }
    return out;
}

// Blocks.
result<addresses> find_all(const name_question& what, steady_time until) {
    addresses out;
    if (what.kind == name_kind::service) {
        LETHE_TRY(out, find_services(what, until));
    } else {
        LETHE_TRY(const std::vector<std::string> hosts, hosts_of(what.name, what.server));
        for (const std::string& host : hosts) out.push_back({host, 0, 0});
    }
    std::ranges::sort(out);
    out.erase(std::unique(out.begin(), out.end()), out.end());
    if (out.empty()) return LETHE_ERR(errc::unknown_host);
    return out;
}

// Threads that wait for name servers, made with a worker's first question. They end with its loop,
// as those do that Asio makes for its own look-ups.
class name_threads final : public asio::execution_context::service {
 public:
    using key_type = name_threads;
    static asio::execution_context::id id;

    explicit name_threads(asio::execution_context& owner) : service(owner) {}

    template <class Work>
    void run(Work work) {
        asio::post(threads_, std::move(work));
    }

 private:
    void shutdown() override {
        threads_.stop();
        threads_.join();
    }

    // A name server that is away holds up one, not the names of others.
    asio::thread_pool threads_{2};
};
asio::execution_context::id name_threads::id;

class name_waiter;

// Between the worker and the thread; the thread touches nothing but the question.
struct asked {
    name_question what;
    steady_time until;
    name_waiter* who = nullptr;
};

class name_waiter final : public timer, public stoppable {
 public:
    name_waiter(worker& owner, std::shared_ptr<asked> what)
        : owner_(owner), what_(std::move(what)) {
        what_->who = this;
        owner_.enlist(*this);
    }
    ~name_waiter() {
        owner_.delist(*this);
        what_->who = nullptr;
    }
    name_waiter(const name_waiter&) = delete;
    name_waiter& operator=(const name_waiter&) = delete;

    void expired() override { end(LETHE_ERR(errc::timeout)); }
    void stop_waiting() noexcept override {
        // Going on within this call would change the worker's list under its feet.
        asio::post(owner_.inside().loop, [what = what_] {
            if (what->who != nullptr) what->who->end(LETHE_ERR(errc::cancelled));
        });
    }
    void end(result<addresses> with) {
        if (!waiting.waiting()) return;
        outcome = std::move(with);
        waiting.resume();
    }

    suspension waiting;
    result<addresses> outcome = addresses();

 private:
    worker& owner_;
    std::shared_ptr<asked> what_;
};

void begin(asio::io_context& loop, const std::shared_ptr<asked>& what) {
    asio::use_service<name_threads>(loop).run([what, &loop, busy = asio::make_work_guard(loop)] {
        asio::post(loop, [what, found = find_all(what->what, what->until)] {
            if (what->who != nullptr) what->who->end(found);
        });
    });
}

}  // namespace

task<addresses> look_up_all(worker& on, name_question what, steady_time deadline) {
    if (on.stopping()) co_return LETHE_ERR(errc::cancelled);
    const auto asking = std::make_shared<asked>(asked{std::move(what), deadline});
    name_waiter self(on, asking);
    if (deadline != steady_time::max()) self.set(on.timers(), deadline);
    begin(on.inside().loop, asking);
    co_await self.waiting.wait();
    co_return std::move(self.outcome);
}

}  // namespace lethe::net
