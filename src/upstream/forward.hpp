// What a request looks like behind the gateway: always rebuilt, never copied bytes.
#pragma once

#include "http/exchange.hpp"
#include "http/writer.hpp"

#include <string_view>

namespace lethe::upstream {

// Appends the head of the request that goes to a replica: the normalised target, the caller's Host,
// the end-to-end fields, what the gateway adds (Via, X-Forwarded-*, Forwarded, Lethe-Attempt) and
// the framing of the body. Fields of the connection stay behind (RFC 9110 section 7.6.1); those
// that it names the server took away when it read the head.
// `own_cookie`: a cookie that is the gateway's own and stays behind; "": none.
void write_request_head(http::head_text& out, const http::exchange& x,
                        std::string_view own_cookie = {});

// Takes away what an answer may not bring to the client or to a filter: fields of the connection,
// and Lethe-* fields other than those a backend may speak (Lethe-Session-Patch, -If, -Op,
// -Version, Lethe-Idempotency).
void clean_answer(http::response_head& answer, bool keep_content_length);

}  // namespace lethe::upstream
