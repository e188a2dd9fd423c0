// The chunked transfer coding (RFC 9112 section 7.1), both ways. No I/O, no copies.
#pragma once

#include "base/error.hpp"
#include "http/errors.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace lethe::http {

// Reads one chunked body, in pieces as they arrive. Chunk extensions and trailer fields are
// checked, bounded and dropped.
class chunked_decoder {
 public:
    struct step {
        std::size_t consumed = 0;  // of `in`; includes `data`
        std::string_view data;     // part of `in`; empty when only framing was read
        bool done = false;         // the body with its trailer has ended; what follows is not its
    };
    // Reads up to and including the first piece of data in `in`; call again with the rest. Consumes
    // all of `in` unless there is data or the end. Errors: errc::malformed, or errc::head_too_large
    // for a trailer section above its bound. After an error or `done`, reset() first.
    [[nodiscard]] result<step> decode(std::string_view in);
    void reset() noexcept { *this = chunked_decoder{}; }

    // All extension bytes of one body together: they carry nothing, so many of them are an attack.
    static constexpr std::size_t extension_bytes_max = 4 * 1024;
    // All trailer fields of one body together.
    static constexpr std::size_t trailer_bytes_max = 8 * 1024;

 private:
    // chunk-size line: size -> [extension…] -> size_lf -> data -> data_cr -> data_lf -> size …
    // last chunk:      size -> size_lf -> trailer_start -> [trailer…]* -> end_lf -> ended
    enum class state : std::uint8_t {
        size_first,
        size,
        extension_gap,         // white space after the size or a value: only ';' may follow
        extension_name_first,  // behind ';'
        extension_name,
        extension_name_gap,     // white space behind a name
        extension_value_first,  // behind '='
        extension_value,
        extension_quoted,
        extension_quoted_pair,
        extension_quoted_end,
        size_lf,
        data,
        data_cr,
        data_lf,
        trailer_start,
        trailer_name,
        trailer_value,
        trailer_lf,
        end_lf,
        ended,
    };

    [[nodiscard]] result<> take(unsigned char byte);
    [[nodiscard]] result<> take_extension(unsigned char byte);
    [[nodiscard]] result<> take_trailer(unsigned char byte);

    std::uint64_t left_ = 0;  // of the chunk: its size so far while it is read, then data to come
    std::size_t extension_bytes_ = 0;
    std::size_t trailer_bytes_ = 0;
    std::uint8_t digits_ = 0;
    state state_ = state::size_first;
};

// Writes the size line of a chunk of `n` bytes, "1a\r\n", into `out`; answers its length. Behind
// the data goes chunk_end, behind the last chunk last_chunk.
[[nodiscard]] std::size_t write_chunk_size(std::span<char, 20> out, std::size_t n) noexcept;
inline constexpr std::string_view chunk_end = "\r\n";
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

}  // namespace lethe::http
