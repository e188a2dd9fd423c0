#include "simulation/moving_pair.hpp"

#include "store/moving/mover.hpp"

#include <utility>

namespace lethe::simulation {
namespace {

constexpr std::string_view nothing_put = "nothing is put into the previous store";
constexpr std::string_view same_record = "a moved record is the one that was there";

}  // namespace

moving_pair::moving_pair(schedule& time, verdict& verdict, onlooker& seen_by, unsigned index)
    : time_(time),
      verdict_(verdict),
      seen_by_(seen_by),
      index_(index),
      primary_(std::make_unique<store_server>(time, first_, index)) {}

void moving_pair::exchange(bool cleanly) {
    if (!previous_) previous_ = std::make_unique<store_server>(time_, second_, index_ + 2);
    std::swap(primary_, previous_);
    primary_is_ = 1 - primary_is_;
    if (!cleanly) return;
    primary_->close_connections();
    previous_->close_connections();
}

std::optional<store::record> moving_pair::find(const std::string& key) const {
    std::optional<store::record> found = primary_->find(key);
    const bool nothing = !found || store::moving::is_mark(found);
    return nothing && previous_ ? previous_->find(key) : found;
}

void moving_pair::wrote(unsigned server, const std::string& key, const store::record* before,
                        const store::record& after) {
    if (key.starts_with("lethe:clock:")) return;
    if (server != primary_is_) {
        verdict_.broken(nothing_put, key.substr(0, 2));
        return;
    }
    if (store::moving::is_mark(after)) return;
    if (before != nullptr && store::moving::is_mark(*before)) {
        copied(key, after);
        return;
    }
    std::optional<store::record> elsewhere;
    if (before == nullptr && previous_) elsewhere = previous_->find(key);
    seen_by_.wrote(key, elsewhere ? &*elsewhere : before, after);
}

void moving_pair::copied(const std::string& key, const store::record& copy) {
    ++moved_;
    // It may have expired while the copy was on its way.
    const store::record* const from = previous_->last(key);
    if (from == nullptr || from->value != copy.value || from->subject != copy.subject)
        verdict_.broken(same_record, key.substr(0, 2));
}

}  // namespace lethe::simulation
