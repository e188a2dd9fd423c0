// Base64 sixteen letters at a time, where the machine can: the bulk of a text, whose end
// base64.cpp does letter by letter.
#pragma once

#include <cstddef>

namespace lethe::detail {

// How many bytes were read and how many written.
struct base64_progress {
    std::size_t read = 0;
    std::size_t written = 0;
};

// Whole groups of `bytes` from the front, as letters; as many as it likes, none where the machine
// has no SSSE3. `letter_62` and `letter_63` are the alphabet's last two. Room at `to` for all.
[[nodiscard]] base64_progress encode_wide(const unsigned char* bytes, std::size_t size, char* to,
                                          char letter_62, char letter_63) noexcept;
// Whole groups of letters of section 5 from the front; stops before one that is none. Never writes
// behind the bytes that `size` letters are.
[[nodiscard]] base64_progress decode_url_wide(const unsigned char* text, std::size_t size,
                                              char* to) noexcept;

}  // namespace lethe::detail
