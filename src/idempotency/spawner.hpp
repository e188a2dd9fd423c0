// Work that outlives its request: lease renewal, completions that the store could not take at once.
#pragma once

#include "base/task.hpp"

namespace lethe::idempotency {

// The worker's gate, as this folder sees it. The work owns what it uses, but for the engine and the
// metrics: the gate is closed, and its work ended, before those die. Errors of the work are its own
// business. Work given after the gate was closed is dropped.
class spawner {
 public:
    virtual ~spawner() = default;
    virtual void spawn(task<> work) = 0;
};

}  // namespace lethe::idempotency
