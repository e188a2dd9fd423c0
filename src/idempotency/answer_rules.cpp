#include "idempotency/answer_rules.hpp"

#include "base/bytes.hpp"

#include <optional>

namespace lethe::idempotency {
namespace {

std::optional<answer_rule> word_of_backend(const http::fields& header) {
    if (header.count("Lethe-Idempotency") != 1) return std::nullopt;
    const std::string_view word = header.first("Lethe-Idempotency").value_or("");
    if (word == "store") return answer_rule::store;
    if (word == "release") return answer_rule::release;
    if (word == "unknown") return answer_rule::unknown;
    return std::nullopt;
}

answer_rule judge_status(const http::response_head& answer, const route_options& options) {
    switch (answer.status) {
        // The service was not reached, in its own words: log in, be quicker, come later.
        case 401:
        case 408:
        case 425:
        case 429: return answer_rule::release;
        case 500:
        case 501: return options.on_500;
        case 503:
            return answer.header.count(http::field_id::retry_after) > 0 ? answer_rule::release
                                                                        : answer_rule::unknown;
        default: break;
    }
    // Other 5xx come from intermediaries that may have lost an answer.
    return answer.status >= 200 && answer.status < 500 ? answer_rule::store : answer_rule::unknown;
}

}  // namespace

answer_rule judge_answer(const http::exchange& x, const route_options& options) {
    using enum http::upstream_outcome;
    switch (x.outcome) {
        case not_sent: return answer_rule::release;
        case unknown: return answer_rule::unknown;
        // A filter further in refused, or answered for the upstream.
        case not_asked:
            if (!x.problem.empty()) return answer_rule::release;
            break;
        case answered: break;
    }
    if (const auto word = word_of_backend(x.response.header)) return *word;
    return judge_status(x.response, options);
}

bool is_event_stream(const http::response_head& answer) {
    const std::string_view type = answer.header.first(http::field_id::content_type).value_or("");
    return equal_ignoring_case(trim(type.substr(0, type.find(';'))), "text/event-stream");
}

}  // namespace lethe::idempotency
