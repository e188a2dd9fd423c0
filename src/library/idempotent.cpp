#include "lethe/idempotent.hpp"

#include "base/bytes.hpp"
#include "http/structured.hpp"
#include "idempotency/body_digest.hpp"
#include "idempotency/errors.hpp"
#include "idempotency/fingerprint.hpp"
#include "idempotency/key.hpp"
#include "idempotency/problems.hpp"
#include "idempotency/replay.hpp"
#include "lethe/blocking.hpp"
#include "library/keyed_work.hpp"
#include "library/problems.hpp"
#include "library/request_data.hpp"

#include <algorithm>
#include <utility>

namespace lethe {
namespace library {
namespace {

using boost::asio::awaitable;
using std::chrono::milliseconds;
using shared_rules = std::shared_ptr<const keyed_rules>;
namespace problems_of_keys = idempotency::problems;

constexpr milliseconds pause_min{20};
constexpr milliseconds pause_max{250};
constexpr std::chrono::seconds retry_soon{1};
constexpr std::chrono::seconds retry_unknown{30};

// What the gateway is to do with an answer that its status alone does not tell.
enum class word : std::uint8_t { none, store, release, unknown };

response to_response(http::exchange& x) {
    response out(x.response.status);
    for (const http::field_line& line : x.response.header) out.add(line.name, line.value);
    if (x.response_body) {
        const auto body = x.response_body->whole();
        if (body) out.set_bytes(std::string(*body));
    }
    return out;
}

// An exchange that holds the answer while lethe's own rules make it.
struct scratch {
    explicit scratch(const request& r)
        : exchange(memory, internal::request_access::exchange(r).time()) {
        for (const std::string_view name : {"Origin", "Idempotency-Key"})
            if (const auto value = r.header(name)) exchange.request.header.add(name, *value);
    }

    arena memory;
    http::exchange exchange;
};

// Only a gateway asks with an attempt, and takes the word out again.
void say(response& to, const request& r, word what) {
    if (r.attempt() == 0 || what == word::none) return;
    to.set("Lethe-Idempotency", what == word::store     ? "store"
                                : what == word::release ? "release"
                                                        : "unknown");
}

response refuse(const request& r, const http::problem_type& type, word what,
                http::problem_options options = {}) {
    scratch made(r);
    http::answer_problem(made.exchange, type, options);
    response out = to_response(made.exchange);
    say(out, r, what);
    return out;
}

response replay(const request& r, idempotency::outcome kept) {
    scratch made(r);
    const bool whole = kept.body.has_value();
    if (whole)
        idempotency::answer_replay(made.exchange, std::move(kept));
    else
        idempotency::answer_without_body(made.exchange, kept);
    response out = to_response(made.exchange);
    say(out, r, word::store);
    return out;
}

// --- who asks, with which key

struct named_key {
    std::string key;
    std::string caller;
    std::string subject;
};

bool is_named_by_session(const request& r) {
    return !r.session_id().empty();
}

result<named_key> name_caller(const keyed_rules& rules, const request& r, std::string_view sent) {
    named_key out;
    const std::string& field = rules.options.caller_field;
    if (!field.empty()) out.subject = r.header(field).value_or("");
    idempotency::key_rules how{.strict = rules.options.strict};
    if (!out.subject.empty()) {
        out.caller = idempotency::caller_of_principal(to_lower(field), out.subject);
    } else if (is_named_by_session(r)) {
        out.caller = idempotency::caller_of_session(r.session_id());
    } else {
        out.caller = idempotency::caller_of_nobody();
        how.format = idempotency::key_format::uuid;
    }
    LETHE_TRY(out.key, idempotency::parse_key(sent, how));
    return out;
}

bool is_named(const keyed_rules& rules, const request& r) {
    return rules.options.open_to_all || is_named_by_session(r) ||
           (!rules.options.caller_field.empty() &&
            !r.header(rules.options.caller_field).value_or("").empty());
}

asked make_asked(const named_key& named, const request& r) {
    asked out;
    out.id = idempotency::make_record_id({"", named.caller}, named.key);
    out.subject = named.subject;
    out.attempt = std::min(r.attempt(), idempotency::epoch_max);
    out.now = internal::request_access::exchange(r).time().system_now();
    return out;
}

std::string fingerprint_of(const keyed_rules& rules, const request& r) {
    const std::string digest = idempotency::body_digest(
        r.header("Content-Type").value_or(""), r.body(), idempotency::body_rule::bytes, {});
    return idempotency::make_fingerprint(internal::request_access::exchange(r).request, digest,
                                         rules.options.fingerprint_fields);
}

// --- what a try comes to

response answer_of(const request& r, end_of_try end) {
    // Of what was not done: the key is free, unless an earlier attempt may still do it.
    const word free = end.fenced_off || r.attempt() <= 1 ? word::release : word::unknown;
    switch (end.what) {
        case ending::answered: {
            response out = *std::move(end.answer);
            if (r.attempt() == 0) out.remove("Lethe-Idempotency");
            return out;
        }
        case ending::released: {
            response out = *std::move(end.answer);
            out.remove("Lethe-Idempotency");
            say(out, r, free);
            return out;
        }
        case ending::replayed: return replay(r, *std::move(end.kept));
        case ending::mismatch:
            return refuse(r, problems_of_keys::key_mismatch, word::release,
                          {.detail = "Method, path, query, media type or body differ from the "
                                     "first request's."});
        case ending::expired:
            return refuse(r, problems_of_keys::key_expired, word::release,
                          {.detail = "Its outcome is no longer known. Use a new key."});
        case ending::fenced: return refuse(r, problems::attempt_superseded, word::unknown);
        case ending::in_flight:
            return refuse(r, problems_of_keys::in_progress, word::unknown,
                          {.retry_after = retry_soon});
        case ending::failed: return refuse(r, problems::handler_failed, free);
        case ending::again:
        case ending::away:
            return refuse(r, problems::database_unavailable, free,
                          {.detail = "Nothing was done.", .retry_after = retry_soon});
        case ending::lost:
            return refuse(r, problems_of_keys::answer_lost, word::unknown,
                          {.detail = r.idempotency_key().empty()
                                         ? "Find out before you repeat it."
                                         : "Repeat the request with the same key to learn more.",
                           .retry_after = retry_soon});
        case ending::unknown:
        case ending::not_used: break;
    }
    response out =
        refuse(r, problems_of_keys::outcome_unknown, word::unknown,
               {.detail = "It may have run. It is not run again.", .retry_after = retry_unknown});
    if (r.attempt() == 0) out.set("Lethe-Outcome", "unknown");
    return out;
}

// This process works on the key, until it goes out of scope.
class entered {
 public:
    entered(internal::database_parts& in, const std::string& id)
        : in_(in), id_(id), yes_(in.enter(id)) {}
    ~entered() {
        if (yes_) in_.leave(id_);
    }
    entered(const entered&) = delete;
    entered& operator=(const entered&) = delete;

    [[nodiscard]] bool yes() const noexcept { return yes_; }

 private:
    internal::database_parts& in_;
    const std::string& id_;
    bool yes_;
};

// Of a full pool: nothing was done.
end_of_try end_of(boost::system::result<end_of_try> from) {
    if (from.has_error()) return end_of_try(ending::away);
    return *std::move(from);
}

// Retries of one key wait here, not on threads of the pool.
awaitable<end_of_try> try_once(const keyed_rules& rules, const asked& what, request& r) {
    const entered in(rules.in, what.id);
    if (!in.yes()) co_return end_of_try(ending::in_flight);
    const auto work = [&] { return run_once(rules, what, r); };
    boost::system::result<end_of_try> done = co_await blocking(work);
    end_of_try end = end_of(std::move(done));
    clock& time = internal::request_access::exchange(r).time();
    const steady_time give_up = time.steady_now() + rules.in.options.settle_time;
    while (end.what == ending::lost && time.steady_now() < give_up) {
        const auto look = [&] { return look_after_loss(rules, what, end); };
        const boost::system::result<end_of_try> found = co_await blocking(look);
        if (found.has_value()) end = *found;
        if (end.what != ending::lost) break;
        const result<> slept = co_await time.sleep_until(time.steady_now() + pause_max);
        if (slept.has_error()) break;
    }
    co_return end;
}

awaitable<response> answer_keyed(const keyed_rules& rules, asked what, request r) {
    what.fingerprint = fingerprint_of(rules, r);
    clock& time = internal::request_access::exchange(r).time();
    const steady_time give_up = time.steady_now() + rules.options.wait;
    const unsigned tries_max = std::max(1U, rules.in.options.tries_max);
    milliseconds pause = pause_min;
    for (unsigned tries = 1;;) {
        end_of_try end = co_await try_once(rules, what, r);
        const bool waits = end.what == ending::in_flight && time.steady_now() < give_up;
        const bool again = end.what == ending::again && tries++ < tries_max;
        if (!waits && !again) {
            const bool written = end.what == ending::answered;
            response out = answer_of(r, std::move(end));
            if (written) {
                const auto tidy = [&] { forget_some(rules.in, what.now); };
                const boost::system::result<void> tidied = co_await blocking(tidy);
                static_cast<void>(tidied);
            }
            co_return out;
        }
        const result<> slept = co_await time.sleep_until(time.steady_now() + pause);
        if (slept.has_error()) co_return answer_of(r, std::move(end));
        pause = std::min(2 * pause, pause_max);
    }
}

awaitable<response> run_in_transaction(internal::database_parts& in,
                                       const transaction_handler& work, request r) {
    const bool reads = r.method() == "GET" || r.method() == "HEAD";
    clock& time = internal::request_access::exchange(r).time();
    const unsigned tries_max = std::max(1U, in.options.tries_max);
    for (unsigned tries = 1;; ++tries) {
        // What meets a conflict for having read first takes its turn to write at once.
        const transaction_kind kind =
            reads && tries == 1 ? transaction_kind::reading : transaction_kind::writing;
        const auto run = [&] { return run_unkeyed(in, work, kind, r); };
        boost::system::result<end_of_try> done = co_await blocking(run);
        end_of_try end = end_of(std::move(done));
        if (end.what != ending::again || tries >= tries_max) co_return answer_of(r, std::move(end));
        const result<> slept = co_await time.sleep_until(time.steady_now() + pause_min);
        if (slept.has_error()) co_return answer_of(r, std::move(end));
    }
}

std::string_view explain(const error_code& error) {
    using idempotency::errc;
    if (error == make_error_code(errc::key_too_long)) return "A key has at most 255 characters.";
    if (error == make_error_code(errc::key_not_quoted))
        return "Only quoted keys are taken here: Idempotency-Key: \"...\".";
    if (error == make_error_code(errc::key_not_uuid)) return "Only UUIDs are taken here.";
    return "A key is 1 to 255 visible ASCII characters, quoted or bare, in one field line.";
}

awaitable<response> run_idempotent(shared_rules rules, request r) {
    const http::request_head& head = internal::request_access::exchange(r).request;
    const std::size_t lines = head.header.count(http::field_id::idempotency_key);
    if (lines == 0 && !rules->options.required)
        co_return co_await run_in_transaction(rules->in, rules->work, std::move(r));
    if (lines == 0)
        co_return refuse(r, problems_of_keys::key_required, word::release,
                         {.detail = "Send a new key with each new request."});
    if (!is_named(*rules, r))
        co_return refuse(r, problems_of_keys::key_unscoped, word::release,
                         {.detail = "A key belongs to its caller, and this request names none."});
    const result<named_key> named =
        lines > 1 ? result<named_key>(make_error_code(idempotency::errc::key_malformed))
                  : name_caller(*rules, r, r.header("Idempotency-Key").value_or(""));
    if (named.has_error())
        co_return refuse(r, problems_of_keys::key_malformed, word::release,
                         {.detail = explain(named.error())});
    asked what = make_asked(*named, r);
    co_return co_await answer_keyed(*rules, std::move(what), std::move(r));
}

awaitable<response> run_reconcile(shared_rules rules, request r) {
    const std::string sent = idempotency::sf_string(r.path_parameter("key"));
    const result<named_key> named = name_caller(*rules, r, sent);
    if (named.has_error())
        co_return refuse(r, problems_of_keys::key_malformed, word::none,
                         {.detail = explain(named.error())});
    if (!is_named(*rules, r))
        co_return refuse(r, problems_of_keys::key_unscoped, word::none,
                         {.detail = "A key belongs to its caller, and this request names none."});
    asked what = make_asked(*named, r);
    // Nobody compares with a question.
    what.fingerprint = std::string(idempotency::fingerprint_bytes, '\0');
    const entered in(rules->in, what.id);
    end_of_try end(ending::in_flight);
    if (in.yes()) {
        const auto ask = [&] { return ask_about(*rules, what); };
        boost::system::result<end_of_try> done = co_await blocking(ask);
        end = end_of(std::move(done));
    }
    if (end.what == ending::not_used) co_return refuse(r, problems::no_such_page, word::none);
    if (end.what != ending::replayed || !end.kept->body) {
        response out = answer_of(r, std::move(end));
        co_return out;
    }
    const int status = end.kept->status;
    end.kept->status = 200;
    response out = replay(r, *std::move(end.kept));
    out.remove("Lethe-Idempotency");
    if (status != 200) out.set("Lethe-Original-Status", std::to_string(status));
    co_return out;
}

}  // namespace
}  // namespace library

inline namespace v1 {

handler transactional(database& db, transaction_handler work) {
    internal::database_parts& in = internal::database_parts::of(db);
    auto kept = std::make_shared<const transaction_handler>(std::move(work));
    return [&in, kept](request r) { return library::run_in_transaction(in, *kept, std::move(r)); };
}

handler idempotent(database& db, transaction_handler work, idempotent_options options) {
    const auto rules = std::make_shared<const library::keyed_rules>(
        internal::database_parts::of(db), std::move(work), std::move(options));
    return [rules](request r) { return library::run_idempotent(rules, std::move(r)); };
}

handler reconcile(database& db, idempotent_options options) {
    const auto rules = std::make_shared<const library::keyed_rules>(
        internal::database_parts::of(db), transaction_handler{}, std::move(options));
    return [rules](request r) { return library::run_reconcile(rules, std::move(r)); };
}

}  // namespace v1
}  // namespace lethe
