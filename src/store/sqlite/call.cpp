#include "store/sqlite/call.hpp"

namespace lethe::store::sqlite {

void deliver(std::span<call_ptr> finished) {
    const auto box = [](const call_ptr& one) { return one->from().get(); };
    if (!std::ranges::is_sorted(finished, std::less{}, box))
        std::ranges::sort(finished, std::less{}, box);
    while (!finished.empty()) {
        mailbox* const to = box(finished.front());
        const auto next = std::ranges::find_if(
            finished, [&](const call_ptr& one) { return one->from().get() != to; });
        const auto count = static_cast<std::size_t>(next - finished.begin());
        to->deliver(finished.first(count));
        finished = finished.subspan(count);
    }
}

}  // namespace lethe::store::sqlite
