#include "store/tools/count.hpp"

#include <unordered_set>
#include <utility>

namespace lethe::store::tools {

task<census> count(count_work work) {
    census out;
    // Two keys of one hash among ten million: one chance in 370,000, and then one is not counted.
    std::unordered_set<std::size_t> seen;
    std::string cursor;
    while (!out.complete) {
        auto page = co_await ask_patiently<scan_page>(
            work.with, [&](steady_time by) { return work.of.scan(cursor, work.page_keys, by); });
        if (page.has_error()) co_return page.error();
        for (const std::string& key : page->keys) {
            if (!seen.insert(std::hash<std::string>{}(key)).second) continue;
            ++out.kinds[work.kind_of(key)];
            ++out.total;
        }
        cursor = std::move(page->cursor);
        out.complete = !page->more;
        if (work.page_done && !work.page_done(out)) break;
        if (work.with.is_stopped()) break;
    }
    co_return out;
}

task<std::uint64_t> purge(purge_work work) {
    std::uint64_t removed = 0;
    while (true) {
        auto step = co_await ask_patiently<std::size_t>(
            work.with, [&](steady_time by) { return work.of.purge_expired(work.records_max, by); });
        if (step.has_error()) co_return step.error();
        removed += *step;
        if (*step == 0 || work.with.is_stopped()) break;
        if (work.step_done && !work.step_done(removed)) break;
    }
    co_return removed;
}

}  // namespace lethe::store::tools
