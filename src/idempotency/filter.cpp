#include "idempotency/filter.hpp"

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "http/problems.hpp"
#include "idempotency/answer_rules.hpp"
#include "idempotency/blob.hpp"
#include "idempotency/body_digest.hpp"
#include "idempotency/errors.hpp"
#include "idempotency/fingerprint.hpp"
#include "idempotency/gather.hpp"
#include "idempotency/key.hpp"
#include "idempotency/problems.hpp"
#include "idempotency/recording_body.hpp"
#include "idempotency/replay.hpp"

#include <algorithm>
#include <utility>

namespace lethe::idempotency {
namespace {

using http::field_id;

// When to ask again: for an answer that is being made, for a store that is away, for an outcome
// that only somebody's late word can settle.
constexpr std::chrono::seconds retry_in_flight{1};
constexpr std::chrono::seconds retry_store{2};
constexpr std::chrono::seconds retry_unknown{30};

constexpr std::chrono::milliseconds poll_min{20};
constexpr std::chrono::milliseconds poll_max{250};

std::string_view explain(const error_code& error) {
    if (error == make_error_code(errc::key_too_long)) return "A key has at most 255 characters.";
    if (error == make_error_code(errc::key_not_quoted))
        return "This route takes quoted keys only: Idempotency-Key: \"...\".";
    if (error == make_error_code(errc::key_not_uuid)) return "This route takes UUIDs only.";
    return "A key is 1 to 255 visible ASCII characters, quoted or bare, in one field line.";
}

// Whose record it is, for the store's index, which takes no longer texts.
std::string subject_of(const http::exchange& x) {
    std::string subject;
    if (x.principal)
        subject = x.principal->subject;
    else if (x.session)
        subject = x.session->subject;
    if (subject.size() > store::subject_bytes_max) return "sha256:" + to_hex(sha256(subject));
    return subject;
}

std::vector<json_path> parse_paths(const std::vector<std::string>& texts) {
    std::vector<json_path> out;
    for (const std::string& text : texts) out.push_back(json_path::parse(text).value());
    return out;
}

// A refusal is an answer: it is in the exchange.
task<> refused() {
    co_return result<>{};
}

}  // namespace

filter::filter(engine& work, route_options options, metrics& counts, spawner& background,
               http::spool& large)
    : engine_(work),
      options_(std::move(options)),
      paths_(parse_paths(options_.fingerprint_paths)),
      metrics_(counts),
      closing_{work, counts, background, options_.store_timeout},
      spool_(large) {
    LETHE_ASSERT(!find_mistake(options_));
}

// --- before the claim

bool filter::takes_key(http::method m) const noexcept {
    switch (m) {
        case http::method::post:
        case http::method::patch: return true;
        case http::method::put: return options_.put;
        case http::method::delete_: return options_.delete_;
        default: return false;
    }
}

void filter::refuse(http::exchange& x, const http::problem_type& type,
                    std::string_view detail) const {
    http::answer_problem(x, type, {.detail = detail});
    if (!options_.described_by.empty())
        x.response.header.add("Link", "<" + options_.described_by + ">; rel=\"describedby\"");
}

task<> filter::handle(http::exchange& x, http::next rest) {
    if (!takes_key(x.request.method)) return pass(x, rest, false);
    if (options_.graphql && x.request.method == http::method::post) return handle_graphql(x, rest);
    if (x.request.header.count(field_id::idempotency_key) == 0 &&
        options_.mode == key_mode::optional) {
        metrics_.unkeyed.add();
        return pass(x, rest, false);
    }
    const std::optional<std::string> key = read_key(x);
    if (!key) return refused();
    const std::optional<std::string> caller = caller_of(x);
    if (!caller) return refused();
    return handle_keyed(x, rest, *key, *caller);
}

std::optional<std::string> filter::read_key(http::exchange& x) {
    const std::size_t lines = x.request.header.count(field_id::idempotency_key);
    if (lines == 0) {
        metrics_.missing.add();
        refuse(x, problems::key_required, "Send a new key with each new request.");
        return std::nullopt;
    }
    if (lines > 1) {
        metrics_.malformed.add();
        refuse(x, problems::key_malformed, explain(make_error_code(errc::key_malformed)));
        return std::nullopt;
    }
    return take_key(x, x.request.header.first(field_id::idempotency_key).value_or(""));
}

std::optional<std::string> filter::take_key(http::exchange& x, std::string_view sent) {
    const bool shared = !x.principal && !x.session && options_.scope == key_scope::open;
    const key_rules rules{options_.strict, shared ? key_format::uuid : options_.format};
    result<std::string> key = parse_key(sent, rules);
    if (key.has_error()) {
        metrics_.malformed.add();
        refuse(x, problems::key_malformed, explain(key.error()));
        return std::nullopt;
    }
    return *std::move(key);
}

std::optional<std::string> filter::caller_of(http::exchange& x) {
    if (x.principal) return caller_of_principal(x.principal->issuer, x.principal->subject);
    if (x.session) return caller_of_session(x.session->pseudonym);
    if (options_.scope == key_scope::open) return caller_of_nobody();
    metrics_.unscoped.add();
    refuse(x, problems::key_unscoped,
           "A key belongs to its caller, and this request names none: send a token, or a session.");
    return std::nullopt;
}

task<> filter::pass(http::exchange& x, http::next rest, bool say_off) {
    const result<> done = co_await rest(x);
    if (done.has_error()) co_return done;
    strip_own_fields(x.response);
    if (say_off) mark(x, "Lethe-Idempotency", "off");
    co_return done;
}

// Reads it whole and puts it back, where it can be rewound and the answer's view stays good.
task<filter::read_body> filter::take_body(http::exchange& x) {
    read_body out;
    if (!x.request_body) {
        out.whole = std::string_view{};
        co_return out;
    }
    error_code why;
    result<gathered> begun = co_await gather(x.request_body.get(), options_.body_bytes_max);
    if (begun.has_error()) {
        why = begun.error();
    } else if (begun->complete) {
        x.request_body = http::make_owned_body(std::move(begun->bytes));
        out.whole = x.request_body->whole();
        co_return out;
    } else {
        metrics_.spooled.add();
        result<http::spooled> kept =
            co_await spool_.take(std::move(begun->bytes), std::move(x.request_body));
        if (kept.has_value()) {
            x.request_body = std::move(kept->body);
            out.sha256 = std::move(kept->digest);
            co_return out;
        }
        why = kept.error();
    }
    if (why == condition::cancelled || why == condition::unavailable) co_return why;
    refuse_body(x, why);
    out.refused = true;
    co_return out;
}

void filter::refuse_body(http::exchange& x, const error_code& why) {
    x.request_body.reset();
    if (why == condition::too_large) {
        metrics_.too_large.add();
        http::answer_problem(x, http::problems::body_too_large);
    } else if (why == condition::timeout) {
        http::answer_problem(x, http::problems::request_timeout);
    } else if (why == condition::overloaded) {
        http::answer_problem(x, http::problems::no_room, {.retry_after = retry_store});
    } else {
        http::answer_problem(x, http::problems::malformed_request);
    }
}

task<> filter::handle_keyed(http::exchange& x, http::next rest, std::string key,
                            std::string caller) {
    const result<read_body> body = co_await take_body(x);
    if (body.has_error()) co_return body.error();
    if (body->refused) co_return result<>{};
    std::string digest =
        body->whole ? body_digest(x.request.header.first(field_id::content_type).value_or(""),
                                  *body->whole, options_.fingerprint_body, paths_)
                    : digest_of_bytes(body->sha256);
    co_return co_await run_keyed(x, rest, std::move(key), std::move(caller), std::move(digest));
}

task<> filter::run_keyed(http::exchange& x, http::next rest, std::string key, std::string caller,
                         std::string body_digest) {
    claim_request request;
    request.id = make_record_id({options_.tenant, caller}, key);
    if (options_.key_space == key_space_rule::operation)
        request.id = sha256_of_parts({request.id, x.request.method_text, x.request.path});
    request.fingerprint = make_fingerprint(x.request, body_digest, options_.fingerprint_headers);
    request.subject = subject_of(x);
    request.lease = options_.lease;
    request.ttl = options_.ttl;
    request.expired = options_.expired;
    request.tombstone = options_.tombstone;
    request.replaces = x.replaces_outcome;
    request.take_over = request.replaces == 0 && options_.on_unknown != unknown_rule::hold;

    result<admission> admitted = co_await admit(x, std::move(request));
    if (x.replaces_outcome != 0 && admitted.has_error()) co_return result<>{};
    if (admitted.has_error()) co_return co_await refuse_unclaimed(x, rest, admitted.error());
    if (x.replaces_outcome != 0) co_return co_await replace(x, rest, *std::move(admitted));
    if (admitted->what == verdict::claimed && admitted->taken_over)
        co_return co_await settle_unknown(x, rest, std::move(admitted->claim), std::move(key));
    if (admitted->what == verdict::claimed) {
        metrics_.claimed.add();
        co_return co_await forward(x, rest, std::move(admitted->claim));
    }
    if (admitted->what == verdict::done && admitted->result->blob)
        co_return co_await replay_blob(x, *std::move(admitted));
    answer_admission(x, *std::move(admitted));
    co_return result<>{};
}

// The first piece before the head: where the pieces are gone, that is said.
task<> filter::replay_blob(http::exchange& x, admission admitted) {
    outcome& kept = *admitted.result;
    const steady_time now = engine_.time().steady_now();
    result<std::optional<std::string>> first = co_await read_blob_piece(
        engine_.records(), *kept.blob, 0, std::min(x.deadline, now + options_.store_timeout));
    if (first.has_error()) {
        const bool corrupt = first.error() == condition::corrupt;
        (corrupt ? metrics_.corrupt : metrics_.store_down).add();
        http::answer_problem(x, problems::store_unavailable,
                             {.detail = "Nothing was done.", .retry_after = retry_store});
        co_return result<>{};
    }
    x.attempt = admitted.epoch;
    x.operation_id = std::move(admitted.operation_id);
    if (!*first) {
        metrics_.replay_unavailable.add();
        answer_without_body(x, kept);
        co_return result<>{};
    }
    metrics_.replayed.add();
    if (may_be_replaced(x)) x.outcome_epoch = admitted.epoch;
    answer_replay(x, kept,
                  make_blob_body(engine_.records(), engine_.time(), *kept.blob, **std::move(first),
                                 options_.store_timeout));
    co_return result<>{};
}

std::uint64_t filter::inline_bytes_max() const noexcept {
    return std::min(options_.answer_bytes_max, answer_bytes_inline);
}

// Claims the key; waits a while for another request that holds it, where the route says so.
task<admission> filter::admit(http::exchange& x, claim_request request) {
    clock& time = engine_.time();
    const steady_time give_up = std::min(x.deadline, time.steady_now() + options_.wait);
    std::chrono::milliseconds pause = poll_min;
    while (true) {
        const steady_time deadline =
            std::min(x.deadline, time.steady_now() + options_.store_timeout);
        result<admission> got = co_await engine_.claim(request, deadline);
        if (got.has_error() || got->what != verdict::in_flight) co_return got;
        if (time.steady_now() >= give_up || x.client_gone) co_return got;
        if (!request.look_first) metrics_.waits.add();
        request.look_first = true;
        const result<> slept =
            co_await time.sleep_until(std::min(time.steady_now() + pause, give_up));
        if (slept.has_error()) co_return got;
        pause = std::min(2 * pause, poll_max);
    }
}

// The key was certainly not claimed: nothing may be forwarded, but where the route says so.
task<> filter::refuse_unclaimed(http::exchange& x, http::next rest, error_code why) {
    const bool corrupt = why == condition::corrupt;
    (corrupt ? metrics_.corrupt : metrics_.store_down).add();
    if (corrupt || engine_.may_warn())
        log::warn("idempotency.claim_failed", {{"route", x.route_name}, {"error", describe(why)}});
    if (!corrupt && options_.store_down == store_down_rule::pass) {
        metrics_.passed.add();
        co_return co_await pass(x, rest, true);
    }
    http::answer_problem(x, problems::store_unavailable,
                         {.detail = "Nothing was done.", .retry_after = retry_store});
    co_return result<>{};
}

void filter::answer_admission(http::exchange& x, admission admitted) {
    switch (admitted.what) {
        case verdict::done:
            x.attempt = admitted.epoch;
            x.operation_id = std::move(admitted.operation_id);
            if (admitted.result->body) {
                metrics_.replayed.add();
                if (may_be_replaced(x)) x.outcome_epoch = admitted.epoch;
                answer_replay(x, *std::move(admitted.result));
            } else {
                metrics_.replay_unavailable.add();
                answer_without_body(x, *admitted.result);
            }
            return;
        case verdict::in_flight:
            metrics_.in_flight.add();
            http::answer_problem(x, problems::in_progress, {.retry_after = retry_in_flight});
            return;
        case verdict::unknown: answer_unknown(x); return;
        case verdict::mismatch:
            metrics_.mismatch.add();
            refuse(x, problems::key_mismatch,
                   "Method, path, query, media type or body differ from the first request's.");
            return;
        case verdict::expired:
            metrics_.expired.add();
            refuse(x, problems::key_expired, "Its outcome is no longer known. Use a new key.");
            return;
        case verdict::unsure:
            metrics_.store_down.add();
            take_back(closing_, admitted.claim);
            http::answer_problem(x, problems::store_unavailable,
                                 {.detail = "Nothing was done.", .retry_after = retry_store});
            return;
        case verdict::claimed: break;
    }
    LETHE_BUG("a claim was not forwarded");
}

void filter::answer_unknown(http::exchange& x) {
    metrics_.unknown.add();
    http::answer_problem(
        x, problems::outcome_unknown,
        {.detail = "It may have run. It is not run again.", .retry_after = retry_unknown});
    mark(x, "Lethe-Outcome", "unknown");
}

// --- after the claim

// From here on the exchange is the one that the claim is held for.
void filter::begin(http::exchange& x, const claim_handle& claim) {
    x.attempt = claim->epoch();
    x.operation_id = claim->operation_id();
    x.survives_client = true;
    if (engine_.start_renewing())
        closing_.background.spawn(engine_.renew_claims(metrics_.renewals()));
}

task<> filter::forward(http::exchange& x, http::next rest, claim_handle claim) {
    begin(x, claim);
    if (engine_.time().steady_now() >= claim->lease_end())
        co_return co_await refuse_late(x, std::move(claim));
    const result<> done = co_await rest(x);
    if (done.has_error()) {
        // No answer can be given, but the record can still be right.
        if (x.outcome == http::upstream_outcome::not_sent)
            static_cast<void>(co_await close_released(closing_, std::move(claim)));
        else
            static_cast<void>(co_await close_unknown(closing_, std::move(claim)));
        co_return done;
    }
    const answer_rule rule = judge_answer(x, options_);
    if (rule == answer_rule::unknown && may_send_again(x, claim))
        co_return co_await send_again(x, rest, std::move(claim));
    strip_own_fields(x.response);
    if (claim->replaces() && !(rule == answer_rule::store && may_replace(x, claim))) {
        const auto closed = co_await close_unknown(closing_, std::move(claim));
        if (closed.has_error()) co_return closed.error();
        co_return result<>{};
    }
    switch (rule) {
        case answer_rule::store:
            if (claim->replaces()) co_return co_await keep_instead(x, std::move(claim));
            co_return co_await keep(x, std::move(claim));
        case answer_rule::release: co_return co_await release(x, std::move(claim));
        case answer_rule::unknown: break;
    }
    co_return co_await lose(x, std::move(claim));
}

// This process stood still, or its store did, for longer than the lease: others may have taken the
// outcome for unknown by now, and acted on it. Nothing was sent.
task<> filter::refuse_late(http::exchange& x, claim_handle claim) {
    metrics_.claimed_late.add();
    const bool may_have_run = claim->taken_over();
    const auto closed = co_await close_released(closing_, std::move(claim));
    if (closed.has_error()) co_return closed.error();
    if (may_have_run)
        answer_unknown(x);
    else
        http::answer_problem(x, problems::store_unavailable,
                             {.detail = "Nothing was done.", .retry_after = retry_store});
    co_return result<>{};
}

// Records the answer, then lets it go out.
task<> filter::keep(http::exchange& x, claim_handle claim) {
    outcome kept = make_outcome(x, options_, engine_.time().system_now());
    if (x.response_body && is_event_stream(x.response)) {
        x.response_body = make_recording_body(closing_, std::move(claim), std::move(kept), {},
                                              std::move(x.response_body), 0);
        co_return result<>{};
    }
    const auto whole = x.response_body ? x.response_body->whole() : std::string_view{};
    if (whole && whole->size() <= inline_bytes_max()) {
        kept.body.emplace(*whole);
    } else {
        result<gathered> body = co_await gather(x.response_body.get(), inline_bytes_max());
        if (body.has_error()) {
            // Broken off: what the rest would have said, nobody knows.
            x.outcome = http::upstream_outcome::unknown;
            co_return co_await lose(x, std::move(claim));
        }
        if (!body->complete) {
            x.response_body = make_recording_body(
                closing_, std::move(claim), std::move(kept), std::move(body->bytes),
                std::move(x.response_body), options_.answer_bytes_max);
            co_return result<>{};
        }
        kept.body.emplace(body->bytes);
        x.response_body = http::make_owned_body(std::move(body->bytes));
    }
    const std::uint64_t epoch = claim->epoch();
    const auto closed = co_await close_done(closing_, std::move(claim), std::move(kept));
    if (closed.has_error()) co_return closed.error();
    if (*closed == ended::recorded && may_be_replaced(x)) x.outcome_epoch = epoch;
    if (*closed == ended::unrecorded) mark(x, "Lethe-Idempotency", "unrecorded");
    co_return result<>{};
}

task<> filter::release(http::exchange& x, claim_handle claim) {
    const auto closed = co_await close_released(closing_, std::move(claim));
    if (closed.has_error()) co_return closed.error();
    if (*closed == ended::unrecorded) mark(x, "Lethe-Idempotency", "unrecorded");
    co_return result<>{};
}

// An upstream's own 502 or the like goes out as it is; an answer that never came becomes a 504.
task<> filter::lose(http::exchange& x, claim_handle claim) {
    if (options_.on_unknown == unknown_rule::final)
        co_return co_await make_final(x, std::move(claim));
    const auto closed = co_await close_unknown(closing_, std::move(claim));
    if (closed.has_error()) co_return closed.error();
    if (x.outcome == http::upstream_outcome::unknown)
        http::answer_problem(x, problems::answer_lost,
                             {.detail = "Repeat the request with the same key to learn more."});
    mark(x, "Lethe-Outcome", "unknown");
    co_return result<>{};
}

}  // namespace lethe::idempotency
