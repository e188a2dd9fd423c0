// redis://, rediss://, redis+sentinel://, redis+cluster://
#pragma once

#include "store/engine_kind.hpp"

namespace lethe::store::redis {

extern const engine_kind kind;

}  // namespace lethe::store::redis
