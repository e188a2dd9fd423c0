#include "idempotency/gather.hpp"

namespace lethe::idempotency {

task<gathered> gather(http::body_source* body, std::uint64_t bytes_max) {
    gathered out;
    if (body == nullptr) {
        out.complete = true;
        co_return out;
    }
    if (body->length().value_or(0) > bytes_max) co_return out;
    while (out.bytes.size() <= bytes_max) {
        const result<std::string_view> piece = co_await body->read();
        if (piece.has_error()) co_return piece.error();
        if (piece->empty()) {
            out.complete = true;
            break;
        }
        out.bytes += *piece;
    }
    co_return out;
}

}  // namespace lethe::idempotency
