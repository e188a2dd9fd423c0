#include "http/answer_head.hpp"

#include "http/errors.hpp"
#include "http/problems.hpp"
#include "net/errors.hpp"

namespace lethe::http {

bool answer_has_no_body(const exchange& x) noexcept {
    const int status = x.response.status;
    return x.request.method == method::head || status == 204 || status == 304 || status < 200;
}

bool is_sent(const exchange& x, const field_line& line) noexcept {
    if (is_hop_by_hop(line.id)) return false;
    // Only an answer without a body may tell a length that is not the body's (RFC 9110
    // section 8.6).
    if (line.id == field_id::content_length)
        return answer_has_no_body(x) && x.response.status != 204;
    return true;
}

std::optional<std::uint64_t> length_to_say(const exchange& x) noexcept {
    if (!answer_has_no_body(x))
        return x.response_body ? x.response_body->length() : std::optional<std::uint64_t>(0);
    // HEAD tells the length that GET would have; an upstream's own field is sent as it is.
    if (x.request.method == method::head && x.response_body) return x.response_body->length();
    return std::nullopt;
}

std::optional<std::string_view> whole_answer(const exchange& x) noexcept {
    if (!x.response_body || answer_has_no_body(x)) return std::string_view{};
    return x.response_body->whole();
}

const problem_type& problem_of(const error_code& error) {
    if (error == net::errc::plain_http) return problems::tls_expected;
    if (error == errc::head_too_large || error == errc::too_many_fields)
        return problems::header_too_large;
    if (error == errc::target_too_long) return problems::target_too_long;
    if (error == errc::unsupported_version) return problems::unsupported_version;
    if (error == errc::unsupported_expectation) return problems::unsupported_expectation;
    if (error == errc::unsupported_transfer_coding || error == errc::unsupported_method)
        return problems::not_implemented;
    if (error == condition::timeout) return problems::request_timeout;
    return problems::malformed_request;
}

}  // namespace lethe::http
