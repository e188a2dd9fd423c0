#include "base/secret.hpp"

#include <sodium.h>

namespace lethe {

void secret::wipe() noexcept { sodium_memzero(value_.data(), value_.size()); }

}  // namespace lethe
