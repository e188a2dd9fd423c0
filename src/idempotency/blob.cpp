#include "idempotency/blob.hpp"

#include "idempotency/errors.hpp"

#include <algorithm>
#include <utility>

namespace lethe::idempotency {
namespace {

// As wide as the other kinds' hashes are with the name, so that tools show them alike.
constexpr std::size_t index_bytes = 16;

std::string piece_key(std::string_view name, std::uint32_t index) {
    std::string out(blob_prefix);
    out += name;
    out.append(index_bytes - sizeof index, '\0');
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(index >> shift & 0xff);
    return out;
}

std::uint32_t pieces_of(std::uint64_t bytes) {
    return static_cast<std::uint32_t>((bytes + blob_piece_bytes - 1) / blob_piece_bytes);
}

class blob_body final : public http::body_source {
 public:
    blob_body(store::store& in, clock& time, blob_reference what, std::string first,
              std::chrono::milliseconds timeout)
        : store_(in),
          clock_(time),
          what_(std::move(what)),
          piece_(std::move(first)),
          timeout_(timeout) {}

    task<std::string_view> read() override {
        if (next_ == pieces_of(what_.bytes)) co_return std::string_view{};
        if (next_ > 0) {
            result<std::optional<std::string>> found =
                co_await read_blob_piece(store_, what_, next_, clock_.steady_now() + timeout_);
            if (found.has_error()) co_return found.error();
            if (!*found) co_return LETHE_ERR(store::errc::unavailable);
            piece_ = **std::move(found);
        }
        ++next_;
        co_return std::string_view(piece_);
    }
    std::optional<std::uint64_t> length() const noexcept override { return what_.bytes; }
    void release() noexcept override { delete this; }

 private:
    store::store& store_;
    clock& clock_;
    const blob_reference what_;
    std::string piece_;
    const std::chrono::milliseconds timeout_;
    std::uint32_t next_ = 0;
};

}  // namespace

blob_writer::blob_writer(store::store& to, clock& time, blob_terms terms)
    : store_(&to), clock_(&time), terms_(std::move(terms)) {}

task<> blob_writer::add(std::string_view bytes) {
    if (given_up_) co_return result<>{};
    bytes_ += bytes.size();
    if (bytes_ > terms_.bytes_max) co_return co_await give_up();
    while (!bytes.empty() && !given_up_) {
        const std::size_t room = std::min(bytes.size(), blob_piece_bytes - held_.size());
        held_ += bytes.substr(0, room);
        bytes.remove_prefix(room);
        if (held_.size() < blob_piece_bytes) continue;
        const result<> written = co_await write_piece();
        if (written.has_error()) co_return written.error();
    }
    co_return result<>{};
}

task<> blob_writer::write_piece() {
    // Counted before: one whose answer is lost is removed with the others.
    store::put piece{.key = piece_key(terms_.name, pieces_++),
                     .value = std::exchange(held_, {}),
                     .ttl = terms_.ttl,
                     .subject = terms_.subject};
    const result<store::answer> put =
        co_await store_->run(std::move(piece), clock_->steady_now() + terms_.store_timeout);
    if (put.has_error()) co_return co_await give_up();
    co_return result<>{};
}

task<std::optional<blob_reference>> blob_writer::finish() {
    if (!given_up_ && !held_.empty()) {
        const result<> written = co_await write_piece();
        if (written.has_error()) co_return written.error();
    }
    if (given_up_ || bytes_ == 0) co_return std::optional<blob_reference>{};
    co_return std::optional<blob_reference>{{terms_.name, bytes_}};
}

task<> blob_writer::give_up() {
    if (std::exchange(given_up_, true)) co_return result<>{};
    held_ = {};
    std::vector<store::operation> erasures;
    for (std::uint32_t i = 0; i < pieces_ && i < store::operations_max; ++i)
        erasures.emplace_back(store::erase{piece_key(terms_.name, i)});
    if (erasures.empty()) co_return result<>{};
    // What stays, goes when its time is over.
    const result<std::vector<store::answer>> erased =
        co_await store_->batch(std::move(erasures), clock_->steady_now() + terms_.store_timeout);
    static_cast<void>(erased);
    co_return result<>{};
}

task<std::optional<std::string>> read_blob_piece(store::store& in, blob_reference of,
                                                 std::uint32_t index, steady_time deadline) {
    result<std::optional<store::record>> found =
        co_await in.read(piece_key(of.name, index), deadline);
    if (found.has_error()) co_return found.error();
    if (!*found) co_return std::optional<std::string>{};
    const std::uint64_t before = std::uint64_t{index} * blob_piece_bytes;
    const std::uint64_t expected = std::min<std::uint64_t>(blob_piece_bytes, of.bytes - before);
    if ((*found)->value.size() != expected) co_return LETHE_ERR(errc::record_corrupt);
    co_return std::optional<std::string>{std::move((*found)->value)};
}

http::body_ptr make_blob_body(store::store& in, clock& time, blob_reference what, std::string first,
                              std::chrono::milliseconds timeout) {
    return http::body_ptr(new blob_body(in, time, std::move(what), std::move(first), timeout));
}

}  // namespace lethe::idempotency
