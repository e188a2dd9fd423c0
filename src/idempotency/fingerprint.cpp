#include "idempotency/fingerprint.hpp"

#include "base/bytes.hpp"
#include "idempotency/body_digest.hpp"
#include "idempotency/options.hpp"

namespace lethe::idempotency {
namespace {

std::string digest_of_fields(const http::request_head& request,
                             std::span<const std::string> names) {
    std::string digest;
    for (const std::string& name : names) {
        if (!may_be_fingerprinted(name)) continue;
        const auto value = request.header.combined(name);
        digest = sha256_of_parts({digest, to_lower(name), value ? "1" : "0", value.value_or("")});
    }
    return digest;
}

}  // namespace

std::string make_fingerprint(const http::request_head& request, std::string_view body_digest,
                             std::span<const std::string> field_names) {
    const std::string media_type =
        media_type_of(request.header.first(http::field_id::content_type).value_or(""));
    const std::string field_digest = digest_of_fields(request, field_names);
    return sha256_of_parts({"1", request.method_text, request.path, request.has_query ? "?" : "",
                            request.query, media_type, body_digest, field_digest});
}

}  // namespace lethe::idempotency
