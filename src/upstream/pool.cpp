#include "upstream/pool.hpp"

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "http/problems.hpp"
#include "net/end_of_turn.hpp"
#include "net/errors.hpp"
#include "upstream/forward.hpp"
#include "upstream/hedge.hpp"
#include "upstream/problems.hpp"

#include <algorithm>
#include <utility>

namespace lethe::upstream {
namespace {

// A kept connection idle for longer than this is looked at before it is used: the replica may be
// gone.
constexpr std::chrono::milliseconds trust_idle_for{500};
constexpr std::chrono::seconds retry_after{1};

http::client_timeouts timeouts_of(const options& o) {
    return {.write = o.read_timeout, .answer = o.answer_timeout, .read = o.read_timeout};
}

// For as long as an exchange waits for this connection.
class waiting_scope {
 public:
    waiting_scope(http::exchange& x, http::cancellable& on) : exchange_(x) {
        exchange_.waiting_on = &on;
    }
    ~waiting_scope() { exchange_.waiting_on = nullptr; }
    waiting_scope(const waiting_scope&) = delete;
    waiting_scope& operator=(const waiting_scope&) = delete;

 private:
    http::exchange& exchange_;
};

// A keyed request would need the next attempt's number: that is for who counts them.
bool may_go_again(const http::exchange& x) {
    return http::is_idempotent(x.request.method) &&
           (x.attempt == 0 || x.request.method == http::method::get);
}

void mark(std::vector<bool>& tried, std::size_t replica) {
    if (tried.size() <= replica) tried.resize(replica + 1);
    tried[replica] = true;
}

// The body can be sent (again) from its start.
bool can_send_body(http::exchange& x, bool first_try) {
    return first_try || !x.request_body || x.request_body->rewind();
}

// In the exchange's arena: most requests have none.
struct hedge_end {
    void operator()(hedge* one) const noexcept { one->~hedge(); }
};
using hedge_ptr = std::unique_ptr<hedge, hedge_end>;

hedge_ptr make_hedge(pool& owner, http::exchange& x, std::size_t replica, std::string_view head,
                     http::client_connection& primary) {
    void* const place = x.memory().allocate(sizeof(hedge), alignof(hedge));
    return hedge_ptr(new (place) hedge(owner, x, replica, head, primary));
}

}  // namespace

// For as long as a request is inside.
class inside_scope {
 public:
    explicit inside_scope(admission& of) : of_(of) {}
    ~inside_scope() { of_.leave(); }
    inside_scope(const inside_scope&) = delete;
    inside_scope& operator=(const inside_scope&) = delete;

 private:
    admission& of_;
};

// The body of an answer; holds the connection until it is let go.
class answer_body final : public http::body_source {
 public:
    answer_body(pool& owner, std::size_t replica, pool::connection with, http::exchange& x)
        : pool_(owner), replica_(replica), connection_(std::move(with)), exchange_(x) {}

    task<std::string_view> read() override {
        // Cancelled when the client leaves while the replica is slow.
        // The exchange's deadline ends with the head: a long answer may take its time, piece by
        // piece.
        const waiting_scope scope(exchange_, *connection_);
        co_return co_await connection_->read_body(steady_time::max());
    }
    std::optional<std::uint64_t> length() const noexcept override {
        return connection_->answer_framing().content_length;
    }
    std::optional<std::string_view> whole() const noexcept override {
        return connection_->reader().whole_body();
    }
    void release() noexcept override {
        // What was sent in one piece by way of whole() is used up.
        connection_->reader().skip_whole_body();
        pool_.give_back(replica_, std::move(connection_));
        this->~answer_body();  // lives in the exchange's arena
    }

 private:
    ~answer_body() = default;

    pool& pool_;
    std::size_t replica_;
    pool::connection connection_;
    http::exchange& exchange_;
};

pool::pool(net::worker& on, options what, std::optional<net::tls_client> tls)
    : worker_(on),
      options_(std::move(what)),
      tls_(std::move(tls)),
      metrics_(on.metrics(), options_),
      balancer_(options_, [&on] { return on.cheap_random(); }),
      budget_(options_.retries),
      hedges_({.percent = options_.hedging ? options_.hedging->percent : 0, .per_second = 0}),
      not_looked_up_(options_.replicas.size()),
      room_(on) {
    if (options_.affinity) affinity_.emplace(*options_.affinity, options_.name, on.random());
    for (std::size_t i = 0; i < options_.replicas.size(); ++i) {
        not_looked_up_[i] = options_.replicas[i].kind != replica_kind::one;
        if (!not_looked_up_[i]) join(i, options_.replicas[i], {});
    }
    if (options_.concurrency)
        admission_ = std::make_unique<admission>(on, *options_.concurrency, metrics_);
}

pool::~pool() = default;

void pool::join(std::size_t entry, const replica& one, std::optional<steady_time> slowly_from) {
    const std::size_t number = balancer_.join(one, slowly_from);
    if (number == places_.size()) places_.emplace_back();
    places_[number] = {.entry = entry, .where = one, .authority = to_text(one), .idle = {}};
}

std::optional<std::size_t> pool::find(std::size_t entry, const replica& which) const {
    for (std::size_t i = 0; i < places_.size(); ++i) {
        const place& one = places_[i];
        if (one.entry == entry && one.where.host == which.host && one.where.port == which.port)
            return i;
    }
    return std::nullopt;
}

void pool::set_healthy(std::size_t entry, const replica& which, bool yes) {
    const std::optional<std::size_t> number = find(entry, which);
    if (!number || !balancer_.joined(*number)) return;
    balancer_.set_healthy(*number, yes, worker_.time().steady_now());
    if (!yes) places_[*number].idle.clear();
}

void pool::use_addresses(std::size_t entry, const std::vector<replica>& now) {
    const auto stays = [&now](const replica& old) {
        return std::ranges::any_of(now, [&old](const replica& one) {
            return one.host == old.host && one.port == old.port;
        });
    };
    for (std::size_t i = 0; i < places_.size(); ++i) {
        if (places_[i].entry != entry || !balancer_.joined(i) || stays(places_[i].where)) continue;
        balancer_.leave(i);
        places_[i].idle.clear();
    }
    const steady_time at = worker_.time().steady_now();
    const bool first = not_looked_up_[entry];
    for (const replica& one : now) {
        const std::optional<std::size_t> known = find(entry, one);
        if (!known) {
            join(entry, one, first ? std::nullopt : std::optional(at));
            continue;
        }
        if (!balancer_.joined(*known)) balancer_.join_again(*known, at);
        balancer_.set_weight(*known, one.weight);
    }
    not_looked_up_[entry] = false;
    // Who waits for room may find it now.
    for (std::size_t left = room_.waiting(); left > 0; --left) room_.notify_one();
}

task<> pool::handle(http::exchange& x) {
    x.upstream_name = options_.name;
    x.outcome = http::upstream_outcome::not_sent;
    return admission_ ? handle_limited(x) : try_replicas(x);
}

task<> pool::handle_limited(http::exchange& x) {
    if (!admission_->try_enter()) {
        const result<admission::verdict> let_in = co_await admission_->wait(x.deadline);
        if (let_in.has_error()) co_return let_in.error();
        if (*let_in == admission::verdict::refused) {
            metrics_.not_sent.add();
            http::answer_problem(x, problems::overloaded, {.retry_after = retry_after});
            co_return result<>{};
        }
    }
    const inside_scope inside(*admission_);
    const steady_time began = worker_.time().steady_now();
    const result<> done = co_await try_replicas(x);
    // What failed at once says nothing of how long the service takes.
    if (x.outcome == http::upstream_outcome::answered || x.problem == problems::timed_out.slug)
        admission_->note_answer(began);
    if (done.has_error()) co_return done.error();
    co_return result<>{};
}

task<> pool::try_replicas(http::exchange& x) {
    std::vector<bool> tried;  // stays empty when all goes well
    bool fresh = false;
    bool sent_again = false;
    bool first_try = true;
    attempt last = attempt::not_sent;
    // A keyed request that comes here once more is sent again by its filter's decision.
    if (x.upstream_tries == 0) {
        budget_.note_request(worker_.turn_time());
        if (options_.hedging) hedges_.note_request(worker_.turn_time());
    } else {
        budget_.note_retry(worker_.turn_time());
    }
    const std::optional<std::uint64_t> key = hash_key(x);
    const std::optional<affinity_mark> led =
        affinity_ ? affinity_->find(x.request.header, x.time().system_now()) : std::nullopt;
    while (!x.client_gone || x.survives_client) {
        const auto picked = choose(tried, key, led);
        if (!picked) {
            if (!balancer_.any_usable(tried) && std::ranges::count(not_looked_up_, true) == 0)
                break;
            const result<room> made = co_await make_room(x);
            if (made.has_error()) co_return made.error();
            if (*made == room::refused) co_return result<>{};
            continue;
        }
        if (!can_send_body(x, first_try)) break;
        if (!std::exchange(first_try, false)) metrics_.retries.add();
        ++x.upstream_tries;
        balancer_.begin(*picked);
        // A request that must not be sent twice gets a connection that was alive a moment ago.
        connection with = fresh ? nullptr : take_kept(*picked, !may_go_again(x) || x.request_body);
        const bool was_kept = with != nullptr;
        if (!was_kept) {
            const result<attempt> opened = co_await open_for(x, *picked, with);
            last = opened.has_value() ? *opened : attempt::cancelled;
        }
        if (with) {
            const result<attempt> done = co_await transfer(x, *picked, std::move(with), was_kept);
            last = done.has_value() ? *done : attempt::cancelled;
        }
        if (last == attempt::answered) {
            metrics_.answered.add();
            if (affinity_) keep_affinity(x, led, *picked);
            co_return result<>{};
        }
        balancer_.end(*picked);
        room_.notify_one();
        if (last == attempt::refused_locally || last == attempt::cancelled ||
            last == attempt::timed_out || last == attempt::failed_twice)
            break;
        if (last == attempt::not_sent) {
            mark(tried, *picked);
            continue;
        }
        // Something was sent. It may have run, so only an idempotent request goes again. Once only:
        // a request that brings its replicas down must not be led to all of them.
        if (!may_go_again(x) || (last != attempt::stale && std::exchange(sent_again, true))) break;
        if (!take_retry(x)) break;
        if (last == attempt::stale)
            fresh = true;
        else
            mark(tried, *picked);
    }
    answer_failure(x, last);
    if (x.client_gone && !x.survives_client) co_return LETHE_ERR(http::errc::cancelled);
    co_return result<>{};
}

std::optional<std::size_t> pool::choose(const std::vector<bool>& tried,
                                        std::optional<std::uint64_t> key,
                                        const std::optional<affinity_mark>& mark) {
    const steady_time now = worker_.turn_time();
    if (mark) {
        const std::optional<std::size_t> home = balancer_.find(mark->place);
        if (home && balancer_.usable(*home, now, tried)) return home;
    }
    return balancer_.pick(now, tried, key);
}

void pool::keep_affinity(http::exchange& x, const std::optional<affinity_mark>& mark,
                         std::size_t replica) {
    const std::uint64_t place = balancer_.place(replica);
    const bool moved = mark && mark->place != place;
    if (moved) metrics_.affinity_moved.add();
    if (!mark || moved || mark->ages) affinity_->set(x, place, x.time().system_now());
}

bool pool::take_retry(const http::exchange& x) {
    if (budget_.take(worker_.turn_time())) return true;
    metrics_.retries_refused.add();
    log::debug("upstream.retry_refused", {{"upstream", options_.name}, {"route", x.route_name}});
    return false;
}

std::optional<std::uint64_t> pool::hash_key(const http::exchange& x) const {
    if (!options_.hash_by) return std::nullopt;
    std::optional<std::string_view> of;
    switch (options_.hash_by->by) {
        case hash_source::client: of = x.remote_address; break;
        case hash_source::caller:
            if (!x.principal) return std::nullopt;
            // Subjects of different issuers are different callers.
            return stable_hash(x.principal->subject) ^ stable_hash(x.principal->issuer) << 1;
        case hash_source::session:
            if (x.session) of = x.session->pseudonym;
            break;
        case hash_source::path: of = x.request.path; break;
        case hash_source::field: of = x.request.header.first(options_.hash_by->field); break;
    }
    return of ? std::optional(stable_hash(*of)) : std::nullopt;
}

// Waits until a connection is free. Refused: there is none in time, and the answer is set.
task<pool::room> pool::make_room(http::exchange& x) {
    const steady_time until =
        std::min(x.deadline, worker_.time().steady_now() + options_.connect_timeout);
    if (room_.waiting() < options_.requests_waiting_max) {
        const result<> woken = co_await room_.wait(until);
        if (woken.has_value()) co_return room::free;
        if (woken.error() == condition::cancelled) co_return woken.error();
    }
    if (!balancer_.any_usable({})) {  // the names' addresses did not come in time
        answer_failure(x, attempt::not_sent);
        co_return room::refused;
    }
    metrics_.overloaded.add();
    http::answer_problem(x, problems::overloaded, {.retry_after = retry_after});
    co_return room::refused;
}

pool::connection pool::take_kept(std::size_t replica, bool check) {
    std::vector<kept>& idle = places_[replica].idle;
    const steady_time now = worker_.turn_time();
    while (!idle.empty()) {
        kept last = std::move(idle.back());
        idle.pop_back();
        if (now - last.since > options_.keep_alive_timeout) {
            idle.clear();  // the others are older still
            break;
        }
        const bool look = check || last.open->may_be_stale() || now - last.since > trust_idle_for;
        if (look && last.open->stale()) continue;
        return std::move(last.open);
    }
    return nullptr;
}

task<pool::connection> pool::open(std::size_t replica, steady_time deadline) {
    metrics_.connects.add();
    result<net::stream> stream = co_await connect(
        worker_, places_[replica].where, tls_,
        std::min(deadline, worker_.time().steady_now() + options_.connect_timeout));
    if (stream.has_error()) {
        metrics_.connect_failures.add();
        co_return stream.error();
    }
    co_return std::make_unique<http::client_connection>(worker_, *std::move(stream),
                                                        http::head_limits{}, timeouts_of(options_));
}

task<pool::attempt> pool::open_for(http::exchange& x, std::size_t replica, connection& into) {
    result<connection> opened = co_await open(replica, x.deadline);
    if (opened.has_value()) {
        into = *std::move(opened);
        co_return attempt::not_sent;
    }
    if (opened.error() == condition::cancelled) co_return attempt::cancelled;
    log::warn("upstream.connect_failed", {{"upstream", options_.name},
                                          {"replica", places_[replica].authority},
                                          {"error", describe(opened.error())}});
    failed(replica);
    co_return attempt::not_sent;
}

task<pool::attempt> pool::transfer(http::exchange& x, std::size_t replica, connection with,
                                   bool was_kept) {
    http::client_connection& c = *with;
    result<> done{};
    hedge_ptr second;
    {
        const waiting_scope scope(x, c);
        http::head_text written(x.memory());
        write_request_head(written, x, affinity_ ? affinity_->cookie() : std::string_view());
        const std::string_view head = written.done();
        net::end_of_turn end(worker_);
        if (end.worth_waiting()) co_await end.wait();
        if (may_hedge(x)) second = make_hedge(*this, x, replica, head, c);
        bool sent = false;
        if (!x.request_body) {
            const result<net::written> tried = c.try_send(head);
            if (tried.has_error()) done = tried.error();
            sent = tried.has_error() || *tried == net::written::all;
        }
        if (!sent) done = co_await c.send(head, x.request_body.get(), x.deadline);
        // A peer that does not take the rest may have said why: an answer is worth more than the
        // error.
        if (done.has_value() ||
            (done.error() == condition::unavailable && !c.body_failed() && c.anything_sent()))
            done = co_await c.read_head(x.request.method, x.response, x.deadline);
    }
    if (done.has_value()) {
        balancer_.succeeded(replica);
        x.outcome = http::upstream_outcome::answered;
        // The place of an address may be another's when this request is logged.
        const place& to = places_[replica];
        x.replica = to.where.name.empty() ? to.authority : x.memory().copy(to.authority);
        attach_answer(x, replica, std::move(with));
        co_return attempt::answered;
    }
    if (c.anything_sent()) x.outcome = http::upstream_outcome::unknown;
    if (second) {
        const waiting_scope scope(x, *second);
        // Cancelled by the hedge that answered, or because nobody wants the answer.
        const result<hedge_try*> other =
            co_await second->answer_instead(done.error() == condition::cancelled);
        if (other.has_value() && *other != nullptr) {
            if (done.error() != condition::cancelled) failed(replica);
            take_hedge(x, replica, **other);
            co_return attempt::answered;
        }
    }
    if (c.body_failed())
        co_return refuse_body(x, done.error()) ? attempt::refused_locally : attempt::cancelled;
    if (done.error() == condition::cancelled) co_return attempt::cancelled;
    const bool nothing_came = c.reader().empty();
    if (done.error() == condition::unavailable && was_kept && nothing_came)
        co_return attempt::stale;
    log::warn("upstream.broke_off", {{"upstream", options_.name},
                                     {"replica", places_[replica].authority},
                                     {"error", describe(done.error())}});
    failed(replica);
    if (done.error() == condition::timeout) co_return attempt::timed_out;
    co_return second && second->sent() ? attempt::failed_twice : attempt::broke_off;
}

// Only what is read, by nobody who counts the attempts, and not what a filter or a failure has sent
// already.
bool pool::may_hedge(const http::exchange& x) const {
    return options_.hedging && x.attempt == 0 && x.upstream_tries == 1 && !x.request_body &&
           (x.request.method == http::method::get || x.request.method == http::method::head);
}

void pool::take_hedge(http::exchange& x, std::size_t replica, hedge_try& from) {
    metrics_.hedges_won.add();
    balancer_.end(replica);
    room_.notify_one();
    balancer_.succeeded(from.replica);
    x.outcome = http::upstream_outcome::answered;
    x.replica = x.memory().copy(places_[from.replica].authority);
    // What the primary may have begun to answer.
    x.response.header.clear();
    x.response.status = from.answer.status;
    for (const http::field_line& line : from.answer.header)
        x.response.header.add(line.name, line.value);
    attach_answer(x, from.replica, std::move(from.with));
}

void pool::attach_answer(http::exchange& x, std::size_t replica, connection with) {
    const http::framing& how = with->answer_framing();
    const bool no_body = x.request.method == http::method::head || x.response.status == 204 ||
                         x.response.status == 304;
    clean_answer(x.response, no_body);
    if (with->reader().body_done() &&
        (no_body || how.content_length == std::optional<std::uint64_t>(0))) {
        give_back(replica, std::move(with));
        return;
    }
    void* place = x.memory().allocate(sizeof(answer_body), alignof(answer_body));
    x.response_body = http::body_ptr(new (place) answer_body(*this, replica, std::move(with), x));
}

void pool::give_back(std::size_t replica, connection with) {
    balancer_.end(replica);
    std::vector<kept>& idle = places_[replica].idle;
    if (with->reusable() && balancer_.joined(replica) && idle.size() < options_.keep_alive_max) {
        with->next_exchange();
        idle.push_back({std::move(with), worker_.turn_time()});
    }
    room_.notify_one();
}

void pool::failed(std::size_t replica) {
    if (!balancer_.failed(replica, worker_.time().steady_now())) return;
    metrics_.ejections.add();
    places_[replica].idle.clear();
    log::warn("upstream.replica_ejected",
              {{"upstream", options_.name}, {"replica", places_[replica].authority}});
}

// The request's own body could not be read. False: the client is gone and nobody reads an answer.
bool pool::refuse_body(http::exchange& x, const error_code& why) {
    if (why == http::errc::head_too_large)  // of the trailer
        http::answer_problem(x, http::problems::header_too_large);
    else if (why == condition::too_large)
        http::answer_problem(x, http::problems::body_too_large);
    else if (why == condition::timeout)
        http::answer_problem(x, http::problems::request_timeout);
    else if (why == condition::malformed)
        http::answer_problem(x, http::problems::malformed_request);
    else
        return false;
    return true;
}

void pool::answer_failure(http::exchange& x, attempt last) {
    using enum attempt;
    if (x.outcome == http::upstream_outcome::unknown)
        metrics_.unknown.add();
    else
        metrics_.not_sent.add();
    if (last == refused_locally) return;
    if (x.outcome == http::upstream_outcome::not_sent) {
        http::answer_problem(x, problems::unavailable, {.retry_after = retry_after});
        return;
    }
    http::answer_problem(x, last == timed_out ? problems::timed_out : problems::broke_off);
    // An idempotent request may simply be sent again; of the others nobody knows whether they ran.
    if (!http::is_idempotent(x.request.method))
        x.response.header.append_borrowed("Lethe-Outcome", "unknown");
}

}  // namespace lethe::upstream
