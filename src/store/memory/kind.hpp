// memory: for the list in open.cpp.
#pragma once

#include "store/engine_kind.hpp"

namespace lethe::store::memory {

extern const engine_kind kind;

}  // namespace lethe::store::memory
