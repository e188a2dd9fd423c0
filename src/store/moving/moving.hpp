// Two stores that answer as one while records move from the one to the other, so that nobody is
// logged out and no outcome is forgotten: docs/stores.md says how to do it, moving/README.md why it
// is safe.
#pragma once

#include "store/open.hpp"

#include <memory>

namespace lethe::store {

// What both together promise: whatever is weaker of the two.
[[nodiscard]] engine_promises moving_promises(const engine_promises& primary,
                                              const engine_promises& previous) noexcept;

// Every record is in `primary` once it has been touched; until then it may still be in `previous`.
// Closes both when it is closed. `options` as for open(): `now` is what remaining lifetimes are
// counted from, `name` labels the metrics of the move itself (the two engines keep their own).
[[nodiscard]] std::unique_ptr<engine> make_moving(std::unique_ptr<engine> primary,
                                                  std::unique_ptr<engine> previous,
                                                  open_options options);

}  // namespace lethe::store
