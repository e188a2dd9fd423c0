#include "idempotency/recording_body.hpp"

#include "idempotency/blob.hpp"

#include <utility>

namespace lethe::idempotency {
namespace {

// Beyond the outcome's own life: whoever still finds it finds the pieces, too, and may take long to
// read them.
constexpr std::chrono::hours piece_grace{1};

// Leaves the outcome unknown for a body that nobody reads to its end.
task<> give_up(closing with, claim_handle claim, std::optional<blob_writer> kept) {
    const auto done = co_await close_unknown(with, std::move(claim));
    if (done.has_error()) co_return done.error();
    if (kept) co_return co_await kept->give_up();
    co_return result<>{};
}

std::optional<blob_writer> make_writer(const closing& with, const held_claim& claim,
                                       std::optional<std::uint64_t> length,
                                       std::uint64_t bytes_max) {
    if (bytes_max == 0 || length.value_or(0) > bytes_max) return std::nullopt;
    const claim_request& of = claim.request();
    return std::make_optional<blob_writer>(with.work.records(), with.work.time(),
                                           blob_terms{.name = claim.nonce(),
                                                      .subject = of.subject,
                                                      .ttl = of.ttl + piece_grace,
                                                      .bytes_max = bytes_max,
                                                      .store_timeout = with.store_timeout});
}

class recording_body final : public http::body_source {
 public:
    recording_body(closing with, claim_handle claim, outcome result, std::string begun,
                   http::body_ptr rest, std::uint64_t blob_bytes_max)
        : with_(with),
          claim_(std::move(claim)),
          result_(std::move(result)),
          begun_(std::move(begun)),
          rest_(std::move(rest)),
          length_(rest_->length()),
          blob_(make_writer(with_, *claim_, length_, blob_bytes_max)) {}

    task<std::string_view> read() override {
        if (!std::exchange(begun_read_, true) && !begun_.empty()) {
            const result<> kept = co_await keep(begun_);
            if (kept.has_error()) co_return kept.error();
            co_return std::string_view(begun_);
        }
        const result<std::string_view> piece = co_await rest_->read();
        if (piece.has_error()) {
            if (claim_) {
                const auto closed = co_await give_up(with_, std::exchange(claim_, nullptr),
                                                     std::exchange(blob_, std::nullopt));
                if (closed.has_error()) co_return closed.error();
            }
            co_return piece.error();
        }
        const result<> kept = co_await keep(*piece);
        if (kept.has_error()) co_return kept.error();
        // A reader that knows the length may never ask for the end.
        if (claim_ && (piece->empty() || (length_ && passed_ >= *length_))) {
            const result<> closed = co_await finish();
            if (closed.has_error()) co_return closed.error();
        }
        co_return *piece;
    }

    std::optional<std::uint64_t> length() const noexcept override { return length_; }

    void release() noexcept override {
        if (claim_) with_.background.spawn(give_up(with_, std::move(claim_), std::move(blob_)));
        delete this;
    }

 private:
    task<> keep(std::string_view piece) {
        passed_ += piece.size();
        if (!blob_ || piece.empty()) co_return result<>{};
        co_return co_await blob_->add(piece);
    }
    task<> finish() {
        if (blob_) {
            result<std::optional<blob_reference>> kept = co_await blob_->finish();
            if (kept.has_error()) co_return kept.error();
            result_.blob = *std::move(kept);
            blob_.reset();
        }
        const auto closed =
            co_await close_done(with_, std::exchange(claim_, nullptr), std::move(result_));
        if (closed.has_error()) co_return closed.error();
        co_return result<>{};
    }

    closing with_;
    claim_handle claim_;  // until it was ended
    outcome result_;
    std::string begun_;
    bool begun_read_ = false;
    http::body_ptr rest_;
    std::optional<std::uint64_t> length_;
    std::uint64_t passed_ = 0;
    std::optional<blob_writer> blob_;  // where the body is kept
};

}  // namespace

http::body_ptr make_recording_body(closing with, claim_handle claim, outcome result,
                                   std::string begun, http::body_ptr rest,
                                   std::uint64_t blob_bytes_max) {
    return http::body_ptr(new recording_body(with, std::move(claim), std::move(result),
                                             std::move(begun), std::move(rest), blob_bytes_max));
}

}  // namespace lethe::idempotency
