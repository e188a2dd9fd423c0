// The body of an answer that is too large for its key's record: pieces in records of their own.
//
// They are written while the answer passes, before the record that names them, and live longer than
// it does. Pieces that no record names (a gateway died in between) go when their time is over.
#pragma once

#include "base/clock.hpp"
#include "http/body.hpp"
#include "idempotency/record.hpp"
#include "store/store.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::idempotency {

inline constexpr std::string_view blob_prefix = "b:";
inline constexpr std::size_t blob_piece_bytes = 1024UL * 1024;

struct blob_terms {
    std::string name;     // nonce_bytes long, used once
    std::string subject;  // whose answer it is
    std::chrono::milliseconds ttl{};
    std::uint64_t bytes_max = 0;
    std::chrono::milliseconds store_timeout{};
};

// A body on its way into the store. One that becomes too long, or that the store does not take, is
// given up: what was written is removed, and nothing more is held. Store and clock outlive it.
class blob_writer {
 public:
    blob_writer(store::store& to, clock& time, blob_terms terms);

    // Never an error.
    [[nodiscard]] task<> add(std::string_view bytes);
    // The whole body was added. nullopt: it was given up.
    [[nodiscard]] task<std::optional<blob_reference>> finish();
    [[nodiscard]] task<> give_up();

 private:
    [[nodiscard]] task<> write_piece();

    store::store* store_;
    clock* clock_;
    blob_terms terms_;
    std::string held_;
    std::uint64_t bytes_ = 0;
    std::uint32_t pieces_ = 0;
    bool given_up_ = false;
};

// nullopt: it is not there.
[[nodiscard]] task<std::optional<std::string>> read_blob_piece(store::store& in, blob_reference of,
                                                               std::uint32_t index,
                                                               steady_time deadline);
// Reads piece by piece, as it is sent; `first` was read before. Breaks off when a piece is missing.
[[nodiscard]] http::body_ptr make_blob_body(store::store& in, clock& time, blob_reference what,
                                            std::string first, std::chrono::milliseconds timeout);

}  // namespace lethe::idempotency
