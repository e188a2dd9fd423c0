#include "idempotency/recording_body.hpp"

#include <utility>

namespace lethe::idempotency {
namespace {

// Leaves the outcome unknown for a body that nobody reads to its end.
task<> give_up(closing with, claim_handle claim) {
    const auto done = co_await close_unknown(with, std::move(claim));
    if (done.has_error()) co_return done.error();
    co_return result<>{};
}

class recording_body final : public http::body_source {
 public:
    recording_body(closing with, claim_handle claim, outcome result, std::string begun,
                   http::body_ptr rest)
        : with_(with),
          claim_(std::move(claim)),
          result_(std::move(result)),
          begun_(std::move(begun)),
          rest_(std::move(rest)),
          length_(rest_->length()) {}

    task<std::string_view> read() override {
        if (!std::exchange(begun_read_, true) && !begun_.empty()) {
            passed_ += begun_.size();
            co_return std::string_view(begun_);
        }
        const result<std::string_view> piece = co_await rest_->read();
        if (piece.has_error()) {
            if (claim_) {
                const auto closed = co_await close_unknown(with_, std::exchange(claim_, nullptr));
                if (closed.has_error()) co_return closed.error();
            }
            co_return piece.error();
        }
        passed_ += piece->size();
        // A reader that knows the length may never ask for the end.
        if (claim_ && (piece->empty() || (length_ && passed_ >= *length_))) {
            const auto closed =
                co_await close_done(with_, std::exchange(claim_, nullptr), std::move(result_));
            if (closed.has_error()) co_return closed.error();
        }
        co_return *piece;
    }

    std::optional<std::uint64_t> length() const noexcept override { return length_; }

    void release() noexcept override {
        if (claim_) with_.background.spawn(give_up(with_, std::move(claim_)));
        delete this;
    }

 private:
    closing with_;
    claim_handle claim_;  // until it was ended
    outcome result_;
    std::string begun_;
    bool begun_read_ = false;
    http::body_ptr rest_;
    std::optional<std::uint64_t> length_;
    std::uint64_t passed_ = 0;
};

}  // namespace

http::body_ptr make_recording_body(closing with, claim_handle claim, outcome result,
                                   std::string begun, http::body_ptr rest) {
    return http::body_ptr(new recording_body(with, std::move(claim), std::move(result),
                                             std::move(begun), std::move(rest)));
}

}  // namespace lethe::idempotency
