// What a route may say about Idempotency-Key. Plain values; the gateway's configuration fills them
// and checks them with `find_mistake`.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::idempotency {

enum class key_mode : std::uint8_t {
    optional,  // a request without a key passes, unprotected
    required,  // a request without a key gets 400
};

enum class key_format : std::uint8_t {
    any,   // 1 to 255 visible ASCII characters
    uuid,  // RFC 9562 text form; compared without regard to case
};

enum class key_scope : std::uint8_t {
    // Keys belong to the verified principal, else to the session; without either: 400.
    principal,
    // As above, but where there is neither, all callers share one key space. UUID keys only, so
    // that
    // nobody meets another caller's answer by a guessed key.
    open,  // `public` in the configuration
};

// What becomes of a claim when the upstream answered 500 or 501.
enum class answer_rule : std::uint8_t {
    store,    // the answer is the outcome and is replayed
    release,  // the key is free again
    unknown,  // nobody knows whether it ran
};

// What a key means again after its record has expired.
enum class expired_rule : std::uint8_t {
    fresh,   // a new request; `new` in the configuration
    reject,  // 409 key-expired while the tombstone lives: safer where money moves
};

// What a retry does about an outcome that nobody knows.
enum class unknown_rule : std::uint8_t {
    hold,       // 409 outcome-unknown
    reconcile,  // asks the service at `reconcile`, with the key
    resend,     // sends it once more; only to a backend that dedups
    final,      // the outcome is the 504, or what an intermediary answered, and is replayed
};

// Which bodies are the same request.
enum class body_rule : std::uint8_t {
    bytes,    // byte for byte
    meaning,  // JSON by its canonical text (RFC 8785), multipart without its boundary
};

// What a key on another operation means.
enum class key_space_rule : std::uint8_t {
    api,        // 422: one key, one request
    operation,  // each method and path has keys of its own
};

// GraphQL requests in an array.
enum class batch_rule : std::uint8_t {
    refuse,  // 400 with a key
    unit,    // one request like others: all of it under one key
};

// The store cannot be asked before the claim.
enum class store_down_rule : std::uint8_t {
    refuse,  // 503
    pass,    // only with mode optional: forwarded unprotected, marked "Lethe-Idempotency: off"
};

struct route_options {
    key_mode mode = key_mode::optional;

    // GET and HEAD never take a key; POST and PATCH always do on a route with idempotency.
    bool put = false;
    bool delete_ = false;

    // Only quoted keys, as the draft has it: Idempotency-Key: "…". Otherwise bare ones too.
    bool strict = false;
    key_format format = key_format::any;
    key_scope scope = key_scope::principal;
    // Keys of two tenants never meet; routes of one API share one. Any text, also none.
    std::string tenant;

    // How long an outcome is remembered, from when it was recorded. 1 s or more, and not below
    // `lease`.
    std::chrono::milliseconds ttl = std::chrono::hours{24};
    // How long a claim counts as under way without a sign of life of its gateway; afterwards its
    // outcome is unknown. Renewed at a third of it. 1 s to 10 min.
    std::chrono::milliseconds lease = std::chrono::seconds{30};
    // How long a second request with the same key waits for the first one's outcome before 409. 0
    // to 10 s.
    std::chrono::milliseconds wait{0};
    expired_rule expired = expired_rule::fresh;
    // How long `expired: reject` remembers a key after its record has expired.
    std::chrono::milliseconds tombstone = std::chrono::days{30};

    // A keyed request's body is held in memory up to so much, in a temporary file beyond.
    std::uint64_t body_bytes_max = 1024 * 1024;
    // Up to answer_bytes_inline an answer stands in the key's record, beyond it in records of its
    // own. A larger one than this passes through, and a retry gets 409 replay-unavailable. At most
    // `answer_bytes_limit`.
    std::uint64_t answer_bytes_max = 16 * 1024 * 1024;

    // Request fields that belong to the fingerprint besides method, path, query, media type and
    // body. See may_be_fingerprinted().
    std::vector<std::string> fingerprint_headers;
    body_rule fingerprint_body = body_rule::bytes;
    // JSONPaths (see json_path.hpp): of a JSON body only what they select counts. Needs
    // body_rule::meaning.
    std::vector<std::string> fingerprint_paths;
    key_space_rule key_space = key_space_rule::api;
    // POST carries GraphQL: only mutations take a key, which may stand in the document, too; see
    // graphql_request.hpp.
    bool graphql = false;
    batch_rule graphql_batch = batch_rule::refuse;
    // Answer fields that are not replayed besides those that never are.
    std::vector<std::string> not_replayed;

    answer_rule on_500 = answer_rule::store;
    // The service itself makes a repeated request of one key take effect once.
    bool backend_dedups = false;
    unknown_rule on_unknown = unknown_rule::hold;
    // Where `on_unknown: reconcile` asks with GET: a path with "{key}" in path or query, for which
    // the key is put, percent-encoded. 200: done, and that answer is the outcome; 404: not done,
    // and never will be; all else: still unknown.
    std::string reconcile;
    store_down_rule store_down = store_down_rule::refuse;
    // How long one step waits for the store.
    std::chrono::milliseconds store_timeout = std::chrono::seconds{2};

    // Where the service's own idempotency specification stands, for `Link: rel="describedby"`.
    // A URI reference without '<' and '>'.
    std::string described_by = "urn:lethe:docs:idempotency";
};

inline constexpr std::uint64_t answer_bytes_inline = 1024 * 1024;
inline constexpr std::uint64_t answer_bytes_limit = 1024 * 1024 * 1024;

// Fields that differ between retries of one request by their nature may not be part of its
// fingerprint: Authorization, Cookie, traceparent, User-Agent, Date, the key itself and the like.
[[nodiscard]] bool may_be_fingerprinted(std::string_view field_name) noexcept;

inline constexpr std::chrono::milliseconds days_max = std::chrono::days{400};

// What is wrong with the options, fit for the person who wrote them; nullopt when nothing is.
[[nodiscard]] std::optional<std::string> find_mistake(const route_options& wanted);

}  // namespace lethe::idempotency
