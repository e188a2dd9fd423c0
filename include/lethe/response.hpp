// The answer that a handler gives.
#pragma once

#include "lethe/session.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe {
inline namespace v1 {

// What lethe does with the outcome of a keyed request, where the status alone would mislead.
enum class outcome_wish {
    store,    // this answer is final: replay it to each retry
    release,  // nothing was done: the next retry runs again
    unknown,  // nobody knows whether it was done: lethe never runs it again by itself
};

// A value.
class response {
 public:
    explicit response(int status = 200) : status_(status) {}

    [[nodiscard]] static response json(const json_value& body, int status = 200);
    // JSON text as it is.
    [[nodiscard]] static response json_text(std::string body, int status = 200);
    [[nodiscard]] static response text(std::string body, int status = 200);
    // Problem details (RFC 9457) of type about:blank.
    [[nodiscard]] static response problem(int status, std::string_view title,
                                          std::string_view detail = {});

    [[nodiscard]] int status() const noexcept { return status_; }
    [[nodiscard]] const std::string& body() const noexcept { return body_; }
    using field = std::pair<std::string, std::string>;
    [[nodiscard]] const std::vector<field>& fields() const noexcept { return fields_; }

    // Replaces the field. Names and values that HTTP does not allow become a 500 when the answer is
    // sent. Content-Length, Transfer-Encoding, Connection and Date are the server's business.
    response& set(std::string_view name, std::string_view value);
    // Adds one more line of that name.
    response& add(std::string_view name, std::string_view value);
    // Takes all lines of that name out.
    response& remove(std::string_view name);
    response& set_body(std::string body, std::string_view content_type);
    // Without a say about its type.
    response& set_bytes(std::string body);

    // --- what lethe acts on; it never reaches the client

    // At most one change per answer; the last call counts.
    response& change_session(const session_change& change);
    response& change_session(const session_merge& change);
    response& change_session(const session_patch& change);
    // session_condition::slots unless it is said.
    response& change_session_if(session_condition condition);
    // A new session id with the same content: after a change of rights.
    response& regenerate_session();
    response& destroy_session();
    // Ties the session to a person and gives it a new id: at login.
    response& bind_session(std::string_view subject);
    response& set_outcome(outcome_wish wish);

 private:
    int status_;
    std::vector<field> fields_;
    std::string body_;
};

}  // namespace v1
}  // namespace lethe
