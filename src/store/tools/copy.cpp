#include "store/tools/copy.hpp"

#include "net/signal.hpp"
#include "store/rules.hpp"

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

namespace lethe::store::tools {
namespace {

using keys = std::vector<std::string>;

// One copy under way. Its batches run beside each other; each owns its keys.
class copier {
 public:
    copier(copy_work work, copy_state& state)
        : work_(std::move(work)), state_(state), freed_(work_.on) {}

    task<std::vector<copy_problem>> run() {
        while (!state_.complete) {
            const result<> done = co_await copy_page();
            if (done.has_error()) co_return done.error();
            if (work_.page_done && work_.page_done(state_) == go_on::no) break;
            if (work_.with.is_stopped()) break;
        }
        co_return std::move(problems_);
    }

 private:
    task<> copy_page() {
        result<scan_page> page =
            co_await ask_patiently<scan_page>(work_.with, [this](steady_time by) {
                return work_.from.scan(state_.cursor, work_.options.page_keys, by);
            });
        if (page.has_error()) co_return page.error();
        const copy_state before = state_;
        for (std::size_t at = 0; at < page->keys.size() && !failure_;
             at += work_.options.batch_keys) {
            const std::size_t end = std::min(at + work_.options.batch_keys, page->keys.size());
            co_await wait_until_below(work_.options.batches_max);
            ++under_way_;
            work_.on.spawn(run_batch(keys(page->keys.begin() + static_cast<std::ptrdiff_t>(at),
                                          page->keys.begin() + static_cast<std::ptrdiff_t>(end))));
        }
        // The batches refer to this: they end before it does, come what may.
        co_await wait_until_below(1);
        if (failure_) {
            // The page is made again as a whole.
            state_ = before;
            co_return std::exchange(failure_, {});
        }
        state_.looked_at += page->keys.size();
        state_.cursor = std::move(page->cursor);
        state_.complete = !page->more;
        co_return result<>{};
    }

    task<> wait_until_below(std::size_t limit) {
        while (under_way_ >= limit) {
            const result<> freed =
                co_await freed_.wait(work_.with.time.steady_now() + std::chrono::seconds{1});
            // Whoever copies stops the worker afterwards alone.
            LETHE_ASSERT(!freed.has_error() || freed.error() == condition::timeout);
        }
        co_return result<>{};
    }

    task<> run_batch(keys of) {
        const result<> done = co_await take(std::move(of));
        if (done.has_error() && !failure_) failure_ = done.error();
        --under_way_;
        freed_.notify_one();
        co_return result<>{};
    }

    // Where a batch is too much for one of the stores, or one of its records is damaged, its halves
    // are tried; a single key that does not work is a problem of that key alone.
    task<> take(keys of) {
        result<> done;
        if (work_.moving)
            done = co_await move_batch(of);
        else
            done = co_await copy_batch(of);
        if (!done.has_error() || !is_about_content(done.error())) co_return done;
        if (of.size() == 1) {
            ++state_.refused;
            if (problems_.size() < work_.options.problems_kept)
                problems_.push_back({of.front(), done.error().message()});
            co_return result<>{};
        }
        const auto middle = of.begin() + static_cast<std::ptrdiff_t>(of.size() / 2);
        const result<> first = co_await take(keys(of.begin(), middle));
        if (first.has_error()) co_return first;
        const result<> second = co_await take(keys(middle, of.end()));
        co_return second;
    }

    static bool is_about_content(const error_code& error) {
        return error == condition::too_large || error == condition::corrupt;
    }

    task<> copy_batch(const keys& of) {
        std::vector<operation> reads;
        for (const std::string& key : of) reads.emplace_back(get{key});
        auto found = co_await ask(work_.from, reads);
        if (found.has_error()) co_return found.error();
        std::vector<operation> writes;
        const system_time now = work_.with.time.system_now();
        for (std::size_t i = 0; i < of.size(); ++i) {
            std::optional<record>& one = (*found)[i].present;
            if (!one || !alive(one->expires, now)) continue;
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(one->expires - now);
            writes.emplace_back(
                put{of[i], std::move(one->value), left, absent{}, std::move(one->subject)});
        }
        std::uint64_t made = 0;
        if (!writes.empty()) {
            auto put_there = co_await ask(work_.to, writes);
            if (put_there.has_error()) co_return put_there.error();
            made = static_cast<std::uint64_t>(
                std::ranges::count_if(*put_there, [](const answer& one) { return one.done; }));
        }
        state_.copied += made;
        state_.present += writes.size() - made;
        state_.gone += of.size() - writes.size();
        co_return result<>{};
    }

    task<> move_batch(const keys& of) {
        std::vector<operation> reads;
        for (const std::string& key : of) reads.emplace_back(get{key});
        auto found = co_await ask(work_.to, reads);
        if (found.has_error()) co_return found.error();
        const auto there = static_cast<std::uint64_t>(std::ranges::count_if(
            *found, [](const answer& one) { return one.present.has_value(); }));
        state_.copied += there;
        state_.gone += of.size() - there;
        co_return result<>{};
    }

    // Reads, and puts that expect absence: asking again is harmless. What an earlier try did counts
    // as present then.
    task<std::vector<answer>> ask(store& whom, const std::vector<operation>& what) {
        auto got = co_await ask_patiently<std::vector<answer>>(
            work_.with, [&](steady_time by) { return whom.batch(what, by); });
        co_return got;
    }

    copy_work work_;
    copy_state& state_;
    net::signal freed_;
    std::size_t under_way_ = 0;
    error_code failure_;
    std::vector<copy_problem> problems_;
};

}  // namespace

task<std::vector<copy_problem>> copy(copy_work work, copy_state& state) {
    copier one(std::move(work), state);
    auto done = co_await one.run();
    co_return done;
}

}  // namespace lethe::store::tools
