#include "http/client.hpp"

#include "net/suspension.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace lethe::http {
namespace {

constexpr int interim_answers_max = 16;

}  // namespace

client_connection::client_connection(net::worker& on, net::stream stream, const head_limits& limits,
                                     client_timeouts timeouts)
    : worker_(on),
      stream_(std::move(stream)),
      limits_(limits),
      timeouts_(timeouts),
      reader_(stream_, limits.head_bytes_max) {}

task<> client_connection::write(std::span<const std::string_view> pieces, steady_time deadline,
                                std::size_t skip) {
    std::size_t size = 0;
    for (const std::string_view piece : pieces) size += piece.size();
    if (skip == 0) {
        const result<std::size_t> taken = stream_.try_write(pieces);
        if (taken.has_error()) co_return taken.error();
        skip = *taken;
        anything_sent_ |= skip > 0;
    }
    if (skip == size) co_return result<>{};
    stream_.expires_at(std::min(deadline, worker_.time().steady_now() + timeouts_.write));
    const result<> written = co_await stream_.write(pieces, skip);
    anything_sent_ = true;
    co_return written;
}

void client_connection::begin_exchange() noexcept {
    anything_sent_ = all_sent_ = body_failed_ = answered_ = false;
    tried_ = 0;
}

result<net::written> client_connection::try_send(std::string_view head) {
    begin_exchange();
    const std::array<std::string_view, 1> pieces = {head};
    const result<std::size_t> taken = stream_.try_write(pieces);
    if (taken.has_error()) return taken.error();
    anything_sent_ = *taken > 0;
    all_sent_ = *taken == head.size();
    if (all_sent_) return net::written::all;
    tried_ = *taken;
    return net::written::part;
}

task<> client_connection::send(std::string_view head, body_source* body, steady_time deadline) {
    const std::size_t tried = tried_;
    if (tried == 0) begin_exchange();
    tried_ = 0;
    const auto whole = body != nullptr ? body->whole() : std::optional<std::string_view>("");
    if (whole) {
        const std::array<std::string_view, 2> pieces = {head, *whole};
        const result<> written = co_await write(pieces, deadline, tried);
        if (written.has_error()) co_return written;
        all_sent_ = true;
        if (body == nullptr) co_return written;
        // Its owner learns that it was used up.
        while (true) {
            const result<std::string_view> rest = co_await body->read();
            if (rest.has_error() || rest->empty()) break;
        }
        co_return written;
    }
    const std::array<std::string_view, 1> pieces = {head};
    const result<> written = co_await write(pieces, deadline);
    if (written.has_error()) co_return written;
    co_return co_await send_body(*body, !body->length(), deadline);
}

task<> client_connection::send_body(body_source& body, bool chunked, steady_time deadline) {
    std::array<char, 20> size_line;
    while (true) {
        const result<std::string_view> piece = co_await body.read();
        if (piece.has_error()) {
            body_failed_ = true;
            co_return piece.error();
        }
        const bool last = piece->empty();
        if (chunked && last) {
            static constexpr std::array<std::string_view, 1> pieces = {last_chunk};
            const result<> written = co_await write(pieces, deadline);
            if (written.has_error()) co_return written;
        } else if (chunked) {
            const std::size_t digits = write_chunk_size(size_line, piece->size());
            const std::array<std::string_view, 3> pieces = {
                std::string_view(size_line.data(), digits), *piece, chunk_end};
            const result<> written = co_await write(pieces, deadline);
            if (written.has_error()) co_return written;
        } else if (!last) {
            const std::array<std::string_view, 1> pieces = {*piece};
            const result<> written = co_await write(pieces, deadline);
            if (written.has_error()) co_return written;
        }
        if (last) break;
        // An answer before the request's end: the peer wants no more of it.
        if (stream_.readable()) co_return result<>{};
    }
    all_sent_ = true;
    co_return result<>{};
}

task<> client_connection::read_head(method asked, response_head& out, steady_time deadline) {
    stream_.expires_at(std::min(deadline, worker_.turn_time() + timeouts_.answer));
    for (int interim = 0; interim <= interim_answers_max; ++interim) {
        std::optional<std::string_view> head;
        while (true) {
            if (!reader_.empty()) {
                const result<std::optional<std::string_view>> found = reader_.scan();
                if (found.has_error()) co_return found.error();
                head = *found;
                if (head) break;
            }
            const result<std::optional<std::size_t>> got = reader_.try_fill();
            if (got.has_error()) co_return got.error();
            if (!*got)
                co_await stream_.reading().wait();
            else if (**got == 0)
                co_return LETHE_ERR(errc::truncated);
        }
        framing_ = {};
        out.header.clear();
        // Copied: the connection may serve another exchange before this one's header is used up.
        const std::string_view kept = out.header.memory().copy(*head);
        const result<> parsed = parse_response_head(kept, limits_, asked, out, framing_);
        if (parsed.has_error()) co_return parsed;
        if (out.status == 101) co_return LETHE_ERR(errc::malformed);
        if (out.status >= 200) {
            answered_ = true;
            reader_.begin_body(framing_, std::numeric_limits<std::uint64_t>::max());
            co_return result<>{};
        }
        reader_.begin_body({}, 0);
        reader_.next_message();
    }
    co_return LETHE_ERR(errc::malformed);
}

task<std::string_view> client_connection::read_body(steady_time deadline) {
    if (reader_.body_done()) co_return std::string_view{};
    stream_.expires_at(std::min(deadline, worker_.time().steady_now() + timeouts_.read));
    co_return co_await reader_.read_body();
}

bool client_connection::reusable() const noexcept {
    // Bytes behind the answer belong to no request: the peer is not to be trusted with another.
    return answered_ && all_sent_ && !cancelled_ && framing_.keep_alive && !framing_.until_close &&
           reader_.body_done() && reader_.empty();
}

void client_connection::next_exchange() {
    reader_.next_message();
    stream_.expires_at(steady_time::max());
}

}  // namespace lethe::http
