#include "lethe/response.hpp"

#include "base/bytes.hpp"
#include "base/log.hpp"

#include <algorithm>

namespace lethe {
inline namespace v1 {

response response::json(const json_value& body, int status) {
    return json_text(body.to_text() + '\n', status);
}

response response::json_text(std::string body, int status) {
    response made(status);
    made.set_body(std::move(body), "application/json");
    return made;
}

response response::text(std::string body, int status) {
    response made(status);
    made.set_body(std::move(body), "text/plain; charset=utf-8");
    return made;
}

response response::problem(int status, std::string_view title, std::string_view detail) {
    std::string body =
        R"({"type":"about:blank","status":)" + std::to_string(status) + R"(,"title":)";
    log::append_json_string(body, title);
    if (!detail.empty()) {
        body += R"(,"detail":)";
        log::append_json_string(body, detail);
    }
    response made(status);
    made.set_body(body + "}\n", "application/problem+json");
    return made;
}

response& response::set(std::string_view name, std::string_view value) {
    return remove(name).add(name, value);
}

response& response::remove(std::string_view name) {
    std::erase_if(fields_, [&](const field& f) { return equal_ignoring_case(f.first, name); });
    return *this;
}

response& response::add(std::string_view name, std::string_view value) {
    fields_.emplace_back(name, value);
    return *this;
}

response& response::set_body(std::string body, std::string_view content_type) {
    body_ = std::move(body);
    return set("Content-Type", content_type);
}

response& response::set_bytes(std::string body) {
    body_ = std::move(body);
    return *this;
}

response& response::change_session(const session_change& change) {
    return set("Lethe-Session-Patch", ':' + to_base64(change.to_json()) + ":;type=ops");
}

response& response::change_session(const session_merge& change) {
    return set("Lethe-Session-Patch", ':' + to_base64(change.to_json()) + ":;type=merge");
}

response& response::change_session(const session_patch& change) {
    return set("Lethe-Session-Patch", ':' + to_base64(change.to_json()) + ":;type=json-patch");
}

response& response::change_session_if(session_condition condition) {
    return set("Lethe-Session-If", internal::word_of(condition));
}

response& response::regenerate_session() {
    return set("Lethe-Session-Op", "regenerate");
}
response& response::destroy_session() {
    return set("Lethe-Session-Op", "destroy");
}

response& response::bind_session(std::string_view subject) {
    std::string value = "bind;subject=\"";
    for (const char c : subject) {
        if (c == '"' || c == '\\') value += '\\';
        value += c;
    }
    return set("Lethe-Session-Op", value + '"');
}

response& response::set_outcome(outcome_wish wish) {
    switch (wish) {
        case outcome_wish::store: return set("Lethe-Idempotency", "store");
        case outcome_wish::release: return set("Lethe-Idempotency", "release");
        case outcome_wish::unknown: return set("Lethe-Idempotency", "unknown");
    }
    return *this;
}

}  // namespace v1
}  // namespace lethe
