// Single records: how an operation of the contract is made of requests to one server.
//
// A record is one item, which is read and written whole. A large one is a manifest in that item and
// pieces beside it, whose names carry the record's version: pieces are written before the manifest
// that names them and never changed, so that whoever has read a manifest finds its own pieces or
// none. When one is missing (evicted; or another put has replaced the manifest and dropped them),
// the reader erases the manifest if it is still the same: from then on the record is forgotten for
// everybody.
//
// Conditions are kept by the server's CAS values: look, compare our version, write over exactly
// the item that was seen. Whoever comes between makes the CAS value another one: look again.
#pragma once

#include "store/memcached/parts.hpp"
#include "store/memcached/subject_index.hpp"

#include <string>
#include <vector>

namespace lethe::store::memcached {

// One worker.
class records {
 public:
    records(parts& of, subject_index& index) : parts_(of), index_(index) {}

    // The operation outlives the call.
    [[nodiscard]] task<answer> run(const operation& any, steady_time deadline);
    // Which of these keys have a live record of that subject; their values are not completed.
    [[nodiscard]] task<std::vector<bool>> belong(std::vector<std::string> keys,
                                                 std::string_view subject, steady_time deadline);

 private:
    struct place;
    struct seen;
    struct writing;
    enum class completed : std::uint8_t { yes, no };

    [[nodiscard]] place place_of(std::string_view key) const;
    [[nodiscard]] task<answer> run_get(const get& one, steady_time deadline);
    [[nodiscard]] task<answer> run_put(const put& one, steady_time deadline);
    [[nodiscard]] task<answer> run_erase(const erase& one, steady_time deadline);
    [[nodiscard]] task<answer> run_touch(const touch& one, steady_time deadline);

    [[nodiscard]] result<seen> judge(const place& of, const reply& found) const;
    [[nodiscard]] task<seen> look(const place& of, steady_time deadline);
    // Reads the pieces of a large record. `no`: it has gone or changed, look again.
    [[nodiscard]] task<completed> complete(const place& of, seen& found, steady_time deadline);
    // Erases a manifest whose pieces are not all there, unless it has changed.
    [[nodiscard]] task<> forget(const place& of, const seen& found, steady_time deadline);
    [[nodiscard]] task<> write_pieces(const writing& what, steady_time deadline);
    // `no`: a piece is missing, and the record was forgotten.
    [[nodiscard]] task<completed> prolong_pieces(const place& of, const seen& found,
                                                 std::chrono::milliseconds life,
                                                 steady_time deadline);
    [[nodiscard]] task<> drop_pieces(const place& of, record_version version, std::size_t pieces,
                                     steady_time deadline);
    [[nodiscard]] task<answer> write(writing& what, steady_time deadline);
    [[nodiscard]] task<answer> erase_any(const place& of, steady_time deadline);
    [[nodiscard]] record_version draw_version() const;

    parts& parts_;
    subject_index& index_;
};

}  // namespace lethe::store::memcached
