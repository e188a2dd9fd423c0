#include "store/moving/moving.hpp"
#include "store/moving/store.hpp"

#include <utility>

namespace lethe::store {

engine_promises moving_promises(const engine_promises& primary,
                                const engine_promises& previous) noexcept {
    const auto at_best = [](const engine_promises& of) { return of.durable || of.settings_decide; };
    const bool durable = primary.durable && previous.durable;
    return {.durable = durable,
            .settings_decide = !durable && at_best(primary) && at_best(previous),
            .linearizable = primary.linearizable && previous.linearizable,
            // The previous store takes part in none: its records are moved before.
            .transactions = primary.transactions,
            .may_evict = primary.may_evict || previous.may_evict,
            .shared = primary.shared && previous.shared,
            .scans = primary.scans && previous.scans};
}

std::unique_ptr<engine> make_moving(std::unique_ptr<engine> primary,
                                    std::unique_ptr<engine> previous, open_options options) {
    return std::make_unique<moving::moving_engine>(std::move(primary), std::move(previous),
                                                   std::move(options));
}

namespace moving {

moving_engine::moving_engine(std::unique_ptr<engine> primary, std::unique_ptr<engine> previous,
                             open_options options)
    : primary_(std::move(primary)), previous_(std::move(previous)), options_(std::move(options)) {}
moving_engine::~moving_engine() {
    close();
}

std::unique_ptr<store> moving_engine::make_store(caller by) {
    auto registry = std::make_shared<metrics::registry>();
    {
        const std::scoped_lock lock(mutex_);
        registries_.push_back(registry);
    }
    return std::make_unique<moving_store>(primary_->make_store(by), previous_->make_store(by),
                                          std::move(registry), options_, by.time);
}

engine_promises moving_engine::promises() const noexcept {
    return moving_promises(primary_->promises(), previous_->promises());
}

std::vector<const metrics::registry*> moving_engine::metrics() const {
    std::vector<const metrics::registry*> out = primary_->metrics();
    for (const metrics::registry* one : previous_->metrics()) out.push_back(one);
    const std::scoped_lock lock(mutex_);
    for (const auto& one : registries_) out.push_back(one.get());
    return out;
}

void moving_engine::close() {
    primary_->close();
    previous_->close();
}

}  // namespace moving
}  // namespace lethe::store
