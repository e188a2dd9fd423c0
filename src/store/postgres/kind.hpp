// postgres:// as one of the kinds of engines.
#pragma once

#include "store/engine_kind.hpp"

namespace lethe::store::postgres {

extern const engine_kind kind;

}  // namespace lethe::store::postgres
