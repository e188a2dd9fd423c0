#include "base/secret.hpp"

#include <sodium.h>

namespace lethe {

// All of the buffer: a moved-from string has size 0 and still the bytes.
void secret::wipe() noexcept {
    sodium_memzero(value_.data(), value_.capacity());
    value_.clear();
}

}  // namespace lethe
