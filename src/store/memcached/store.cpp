#include "store/memcached/store.hpp"

#include "net/suspension.hpp"
#include "store/rules.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace lethe::store::memcached {
namespace {

// Keys whose records are read at once to see whether they are still the subject's.
constexpr std::size_t listed_at_once = 64;

const std::string& key_of(const operation& any) {
    return std::visit([](const auto& one) -> const std::string& { return one.key; }, any);
}

std::vector<std::string> names_of(const std::vector<net::address>& hosts) {
    std::vector<std::string> out;
    for (const net::address& one : hosts) out.push_back(net::to_text(one));
    return out;
}

std::vector<std::unique_ptr<server>> make_servers(net::worker& on, const settings& how,
                                                  const open_options& options,
                                                  metrics::registry& registry) {
    std::vector<std::unique_ptr<server>> out;
    const server_options each{.user = how.user,
                              .password = how.password,
                              .queue_requests_max = options.queue_operations_max,
                              .queue_bytes_max = options.queue_bytes_max,
                              .registry = &registry,
                              .store_name = options.name};
    for (const net::address& one : how.hosts)
        out.push_back(std::make_unique<server>(on, each, one));
    return out;
}

// Lets the gate know when a call ends, however that comes.
class inside {
 public:
    explicit inside(call_gate& of) : gate_(of.enter() ? &of : nullptr) {}
    ~inside() {
        if (gate_ != nullptr) gate_->leave();
    }
    inside(const inside&) = delete;
    inside& operator=(const inside&) = delete;
    [[nodiscard]] bool let_in() const noexcept { return gate_ != nullptr; }

 private:
    call_gate* gate_;
};

// A batch whose keys are worked on side by side, each key's operations in their order. In the frame
// of the call, which waits until all have ended.
struct side_by_side {
    const std::vector<operation>& operations;
    steady_time deadline;
    std::vector<result<answer>> results;
    std::size_t running = 0;
    net::suspension all_ended;
};

task<> run_chain(records& of, side_by_side& in, std::vector<std::size_t> chain) {
    for (const std::size_t i : chain) {
        result<answer> one = co_await of.run(in.operations[i], in.deadline);
        const bool failed = one.has_error();
        in.results[i] = std::move(one);
        // The rest would see a state that nobody knows.
        if (failed) break;
    }
    if (--in.running == 0 && in.all_ended.waiting()) in.all_ended.resume();
    co_return result<>{};
}

// What is said of the whole batch: an error that promises that nothing was changed only when that
// is true of all its operations.
result<std::vector<answer>> sum_up(std::vector<result<answer>> results,
                                   const std::vector<operation>& operations) {
    error_code error;
    bool changed = false;
    std::vector<answer> out;
    for (std::size_t i = 0; i < results.size(); ++i) {
        result<answer>& one = results[i];
        if (one.has_error()) {
            if (!error || one.error() == condition::outcome_unknown) error = one.error();
            continue;
        }
        changed |= one->done && !std::holds_alternative<get>(operations[i]);
        out.push_back(*std::move(one));
    }
    if (!error) return out;
    return changed ? LETHE_ERR(errc::outcome_unknown) : error;
}

}  // namespace

bool call_gate::enter() {
    const std::scoped_lock lock(mutex_);
    if (closed_) return false;
    ++inside_;
    return true;
}

void call_gate::leave() {
    const std::scoped_lock lock(mutex_);
    if (--inside_ == 0) left_.notify_all();
}

void call_gate::close() {
    std::unique_lock lock(mutex_);
    closed_ = true;
    left_.wait(lock, [this] { return inside_ == 0; });
}

memcached_store::memcached_store(net::worker& on, const settings& how, const open_options& options,
                                 std::shared_ptr<metrics::registry> registry,
                                 std::shared_ptr<call_gate> gate)
    : registry_(std::move(registry)),
      gate_(std::move(gate)),
      counts_(*registry_, options.name),
      parts_{.on = on,
             .naming = names(how.prefix),
             .hosts = ring(names_of(how.hosts)),
             .servers = make_servers(on, how, options, *registry_),
             .now = options.now ? options.now : [&on] { return on.time().system_now(); }},
      index_(parts_),
      records_(parts_, index_) {}

error_code memcached_store::refusal(steady_time deadline) const {
    if (parts_.on.time().steady_now() >= deadline) return LETHE_ERR(errc::timeout);
    return {};
}

task<std::vector<answer>> memcached_store::run_all(const std::vector<operation>& operations,
                                                   steady_time deadline) {
    std::map<std::string_view, std::vector<std::size_t>> chains;
    for (std::size_t i = 0; i < operations.size(); ++i) chains[key_of(operations[i])].push_back(i);
    side_by_side all{
        .operations = operations, .deadline = deadline, .results = {}, .all_ended = {}};
    all.results.assign(operations.size(), result<answer>(LETHE_ERR(errc::unavailable)));
    all.running = chains.size();
    // The last one needs no coroutine of its own.
    while (chains.size() > 1) {
        auto chain = chains.extract(chains.begin());
        parts_.on.spawn(run_chain(records_, all, std::move(chain.mapped())));
    }
    if (!chains.empty()) {
        const result<> ended = co_await run_chain(records_, all, std::move(chains.begin()->second));
        static_cast<void>(ended);
    }
    if (all.running > 0) co_await all.all_ended.wait();
    co_return sum_up(std::move(all.results), operations);
}

task<std::vector<answer>> memcached_store::batch(std::vector<operation> operations,
                                                 steady_time deadline) {
    const result<> fine = check(operations);
    if (fine.has_error()) co_return fine.error();
    const inside call(*gate_);
    if (!call.let_in()) co_return LETHE_ERR(errc::unavailable);
    result<std::vector<answer>> out = refusal(deadline);
    if (!out.error()) out = co_await run_all(operations, deadline);
    counts_.batch(operations, out);
    co_return out;
}

task<std::vector<answer>> memcached_store::transact(std::vector<operation>, steady_time) {
    co_return LETHE_ERR(errc::unavailable);
}

task<subject_page> memcached_store::list(std::string_view subject, std::string_view key_prefix,
                                         std::string_view after, std::size_t wanted,
                                         steady_time deadline) {
    const result<std::vector<std::string>> keys =
        co_await index_.keys(subject, key_prefix, after, deadline);
    if (keys.has_error()) co_return keys.error();
    subject_page out;
    for (std::size_t at = 0; at < keys->size(); at += listed_at_once) {
        const auto begin = keys->begin() + static_cast<std::ptrdiff_t>(at);
        const auto count = std::min(listed_at_once, keys->size() - at);
        std::vector<std::string> some(begin, begin + static_cast<std::ptrdiff_t>(count));
        const result<std::vector<bool>> theirs = co_await records_.belong(some, subject, deadline);
        if (theirs.has_error()) co_return theirs.error();
        for (std::size_t i = 0; i < count; ++i) {
            if (!(*theirs)[i]) continue;
            if (out.keys.size() == wanted) {
                out.more = true;
                co_return out;
            }
            out.keys.push_back(std::move(some[i]));
        }
    }
    co_return out;
}

task<subject_page> memcached_store::list_subject(std::string subject, std::string key_prefix,
                                                 std::string after, std::size_t keys_max,
                                                 steady_time deadline) {
    const result<> fine = check_listing(subject, key_prefix, after, keys_max);
    if (fine.has_error()) co_return fine.error();
    const inside call(*gate_);
    if (!call.let_in()) co_return LETHE_ERR(errc::unavailable);
    result<subject_page> out =
        co_await list(subject, key_prefix, after, std::min(keys_max, page_keys_max), deadline);
    counts_.listing(out.has_error() ? out.error() : error_code{});
    co_return out;
}

// One host that answers is enough to be of use: were it all of them, the loss of one would take
// every gateway out of service, and the records on the others with it.
task<> memcached_store::ping(steady_time deadline) {
    const inside call(*gate_);
    if (!call.let_in()) co_return LETHE_ERR(errc::unavailable);
    result<> out = LETHE_ERR(errc::unavailable);
    const steady_time now = parts_.on.time().steady_now();
    if (now >= deadline) out = LETHE_ERR(errc::timeout);
    // A host that says nothing must leave time for the others.
    const duration each =
        now < deadline ? (deadline - now) / static_cast<int>(parts_.servers.size()) : duration{};
    for (const auto& one : parts_.servers) {
        if (now >= deadline) break;
        out = co_await one->ping(parts_.on.time().steady_now() + each);
        if (out.has_value()) break;
    }
    counts_.ping(out.has_error() ? out.error() : error_code{});
    co_return out;
}

task<examination> memcached_store::examine(steady_time deadline) {
    const inside call(*gate_);
    if (!call.let_in()) co_return LETHE_ERR(errc::unavailable);
    examination out{.server = "Memcached", .promises = promises_made, .findings = {}};
    std::size_t reached = 0;
    error_code last = LETHE_ERR(errc::unavailable);
    auto left = static_cast<int>(parts_.servers.size());
    for (const auto& one : parts_.servers) {
        const std::string host = net::to_text(one->at());
        // As above: of what is left, this one's share.
        const steady_time now = parts_.on.time().steady_now();
        const steady_time until = now + (deadline - now) / left--;
        const result<std::string> general = co_await one->statistics("", until);
        result<std::string> about = std::string{};
        if (general.has_value()) about = co_await one->statistics("settings", until);
        if (general.has_error() || about.has_error()) {
            last = general.has_error() ? general.error() : about.error();
            out.findings.push_back({.how_bad = finding::weight::fault,
                                    .what = host + " does not answer: its records are unavailable",
                                    .advice = "start it, or see whether the gateway may reach it"});
            continue;
        }
        ++reached;
        judge_statistics(host, *general, *about, out);
    }
    if (reached == 0) co_return last;
    out.findings.push_back({.how_bad = finding::weight::warning,
                            .what = "Memcached forgets everything when it is restarted",
                            .advice = "use another store for what must not be forgotten"});
    co_return out;
}

memcached_engine::memcached_engine(settings how, open_options options)
    : settings_(std::move(how)), options_(std::move(options)) {}
memcached_engine::~memcached_engine() {
    gate_->close();
}

std::unique_ptr<store> memcached_engine::make_store(caller by) {
    LETHE_ASSERT(by.worker != nullptr);
    auto registry = std::make_shared<metrics::registry>();
    const std::scoped_lock lock(mutex_);
    registries_.push_back(registry);
    return std::make_unique<memcached_store>(*by.worker, settings_, options_, std::move(registry),
                                             gate_);
}

std::vector<const metrics::registry*> memcached_engine::metrics() const {
    std::vector<const metrics::registry*> out;
    const std::scoped_lock lock(mutex_);
    for (const auto& one : registries_) out.push_back(one.get());
    return out;
}

}  // namespace lethe::store::memcached
