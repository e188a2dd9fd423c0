// The refusals of the HTTP server itself.
#pragma once

#include "http/problem.hpp"

namespace lethe::http::problems {

inline constexpr problem_type malformed_request{"malformed-request", 400,
                                                "The request is not valid HTTP"};
inline constexpr problem_type tls_expected{"tls-expected", 400, "This port speaks HTTPS"};
inline constexpr problem_type no_room{"no-room-for-body", 503, "There is no room for the body now"};
inline constexpr problem_type request_timeout{"request-timeout", 408,
                                              "The request came too slowly"};
inline constexpr problem_type body_too_large{"body-too-large", 413,
                                             "The request body is too large"};
inline constexpr problem_type target_too_long{"target-too-long", 414,
                                              "The request target is too long"};
inline constexpr problem_type unsupported_expectation{"unsupported-expectation", 417,
                                                      "The expectation is not supported"};
inline constexpr problem_type header_too_large{"header-too-large", 431,
                                               "The request header is too large"};
inline constexpr problem_type internal_error{"internal-error", 500, "The gateway failed"};
inline constexpr problem_type not_implemented{
    "not-implemented", 501, "The request needs something the gateway does not do"};
inline constexpr problem_type upgrade_not_supported{"upgrade-not-supported", 501,
                                                    "The connection cannot be upgraded"};
inline constexpr problem_type unsupported_version{"unsupported-http-version", 505,
                                                  "The HTTP version is not supported"};

}  // namespace lethe::http::problems
