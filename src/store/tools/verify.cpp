#include "store/tools/verify.hpp"

#include "store/rules.hpp"

#include <optional>
#include <utility>

namespace lethe::store::tools {
namespace {

constexpr std::chrono::seconds tolerance{2};

using found = std::vector<answer>;

class verifier {
 public:
    explicit verifier(verify_work work) : work_(std::move(work)) {}

    task<comparison> run() {
        std::string cursor;
        while (!out_.complete) {
            auto page = co_await ask_patiently<scan_page>(work_.with, [&](steady_time by) {
                return work_.from.scan(cursor, work_.page_keys, by);
            });
            if (page.has_error()) co_return page.error();
            const result<> compared = co_await compare_keys(page->keys);
            if (compared.has_error()) co_return compared.error();
            out_.looked_at += page->keys.size();
            out_.complete = !page->more;
            cursor = std::move(page->cursor);
            if (work_.page_done && !work_.page_done(out_)) break;
            if (work_.with.is_stopped()) break;
        }
        co_return std::move(out_);
    }

 private:
    // A first: what moves from A to B is in B before A loses it.
    task<> compare_keys(const std::vector<std::string>& keys) {
        if (keys.empty()) co_return result<>{};
        auto as = co_await read(work_.from, keys);
        auto bs = result<found>(found{});
        if (as.has_value()) bs = co_await read(work_.to, keys);
        if (as.has_error() || bs.has_error()) {
            const error_code why = as.has_error() ? as.error() : bs.error();
            const bool splits = why == condition::too_large || why == condition::corrupt ||
                                why == condition::overloaded;
            if (!splits) co_return why;
            const result<> halves = co_await compare_halves(keys);
            co_return halves;
        }
        for (std::size_t i = 0; i < keys.size(); ++i) {
            likeness how = likeness::equal;
            if (!judge((*as)[i], (*bs)[i], how)) continue;
            const result<> again = co_await look_again(keys[i]);
            if (again.has_error()) co_return again.error();
        }
        co_return result<>{};
    }

    task<> compare_halves(const std::vector<std::string>& keys) {
        if (keys.size() == 1) {
            ++out_.unreadable;
            co_return result<>{};
        }
        const auto middle = keys.begin() + static_cast<std::ptrdiff_t>(keys.size() / 2);
        const result<> first =
            co_await compare_keys(std::vector<std::string>(keys.begin(), middle));
        if (first.has_error()) co_return first;
        const result<> second = co_await compare_keys(std::vector<std::string>(middle, keys.end()));
        co_return second;
    }

    // Counts what needs no second look; true for what does.
    bool judge(const answer& a, const answer& b, likeness& how) {
        const system_time now = work_.with.time.system_now();
        if (!a.present || !alive(a.present->expires, now)) {
            ++out_.gone;
            return false;
        }
        how = b.present ? compare(*a.present, *b.present) : likeness::missing;
        if (how == likeness::equal) ++out_.equal;
        if (how == likeness::newer) ++out_.newer;
        return how != likeness::equal && how != likeness::newer;
    }

    task<> look_again(std::string key) {
        const std::vector<std::string> one{key};
        auto as = co_await read(work_.from, one);
        if (as.has_error()) co_return as.error();
        auto bs = co_await read(work_.to, one);
        if (bs.has_error()) co_return bs.error();
        likeness how = likeness::equal;
        if (!judge(as->front(), bs->front(), how)) co_return result<>{};
        ++out_.differing;
        if (out_.first.size() < work_.differences_kept) out_.first.push_back({std::move(key), how});
        co_return result<>{};
    }

    task<found> read(store& from, const std::vector<std::string>& keys) {
        std::vector<operation> reads;
        for (const std::string& key : keys) reads.emplace_back(get{key});
        auto got = co_await ask_patiently<found>(
            work_.with, [&](steady_time by) { return from.batch(reads, by); });
        co_return got;
    }

    verify_work work_;
    comparison out_;
};

}  // namespace

std::string_view to_text(likeness of) noexcept {
    switch (of) {
        case likeness::missing: return "is not in the second store";
        case likeness::shorter: return "ends earlier in the second store";
        case likeness::other: return "is another, and not a later one, in the second store";
        case likeness::equal:
        case likeness::newer: break;
    }
    return "";
}

likeness compare(const record& a, const record& b) noexcept {
    if (a.value == b.value && a.subject == b.subject) {
        if (b.expires + tolerance < a.expires) return likeness::shorter;
        return b.expires > a.expires + tolerance ? likeness::newer : likeness::equal;
    }
    return b.expires > a.expires ? likeness::newer : likeness::other;
}

task<comparison> verify(verify_work work) {
    verifier one(std::move(work));
    auto done = co_await one.run();
    co_return done;
}

}  // namespace lethe::store::tools
