// One request with its answer and what was learned about it on the way.
#pragma once

#include "base/arena.hpp"
#include "base/clock.hpp"
#include "http/body.hpp"
#include "http/message.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::http {

// The verified caller.
struct principal {
    std::string issuer;
    std::string subject;
    std::string claims_json;  // the verified claims, one JSON object
};

// The session the request belongs to, as the session filter found it.
struct session_reference {
    std::string pseudonym;  // stable per session, tells nothing: fit for scoping an idempotency key
    std::string subject;    // "" for an anonymous session
};

// What is known about the upstream's side of the exchange. Filters decide by it, not by the status.
enum class upstream_outcome : std::uint8_t {
    not_asked,  // a filter answered
    not_sent,   // provably nothing reached a replica: connection refused, none healthy, refused
                // locally
    answered,   // a complete head came back; the body may still break off
    unknown,    // something was sent and no complete answer came back: it may have run
};

// Something that can be told to give up: the connection to a replica that an exchange waits for.
class cancellable {
 public:
    virtual void cancel() noexcept = 0;

 protected:
    ~cancellable() = default;
};

// One worker; lives from the end of the request's head to the end of the answer.
class exchange {
 public:
    exchange(arena& memory, clock& time)
        : request(memory), response(memory), memory_(memory), clock_(time) {}
    exchange(const exchange&) = delete;
    exchange& operator=(const exchange&) = delete;

    // What the rest of the way belongs to (routes, pools): kept until the answer was sent, though a
    // reload may have replaced it. First, so that it is let go last.
    std::shared_ptr<const void> keeps;

    // --- the request; filters may change its header and replace its body
    request_head request;
    body_ptr request_body;            // null: none
    std::string_view remote_address;  // the peer's IP address as text
    bool secure = false;              // came over TLS
    // As RFC 9440 has them in fields; "" without a client's certificate.
    std::string_view client_certificate;
    std::string_view client_certificate_chain;  // those that came with it

    // --- the answer; whoever answers sets status, header and body. Content-Length,
    // Transfer-Encoding, Date and Connection are the server's business.
    response_head response;
    body_ptr response_body;

    // --- what was learned
    std::string_view route_name;
    std::optional<std::size_t> route;  // its place in the configuration; for metrics
    std::string_view upstream_name;
    std::string_view replica;  // the authority of the replica that answered; for logs
    std::optional<http::principal> principal;
    std::optional<session_reference> session;
    upstream_outcome outcome = upstream_outcome::not_asked;
    // Which try of the keyed request this is (the epoch); 0: not keyed. Sent as Lethe-Attempt.
    std::uint64_t attempt = 0;
    // Names the one execution whose answer this is, the same on each replay; "" when not keyed. The
    // session filter applies a session change at most once per operation.
    std::string operation_id;
    bool replayed = false;
    // The epoch that made the recorded outcome that answers, where another attempt may replace it:
    // the service makes a request of one key take effect once. 0: the outcome stays.
    std::uint64_t outcome_epoch = 0;
    // Who sends a keyed request again sets it to that epoch. Left so when nothing came of it: the
    // outcome stands, and what is in the answer means nothing.
    std::uint64_t replaces_outcome = 0;
    // The keyed request goes on when its client leaves, so that its outcome is recorded.
    bool survives_client = false;
    std::uint16_t upstream_tries = 0;
    // A refusal's problem type, for logs and metrics; "" when none.
    std::string_view problem;

    // For the head of the answer. Absolute, only ever shrinks on the way in.
    steady_time deadline = steady_time::max();
    steady_time started{};

    // What to cancel when the client leaves or the deadline passes; set by who waits.
    cancellable* waiting_on = nullptr;
    bool client_gone = false;

    [[nodiscard]] arena& memory() noexcept { return memory_; }
    [[nodiscard]] clock& time() noexcept { return clock_; }

 private:
    arena& memory_;
    clock& clock_;
};

}  // namespace lethe::http
