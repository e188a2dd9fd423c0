// The values that were used last, each found by a text: so many, and of those that a new one could
// replace the one that was not used for longest makes room. For what can be made again from its
// text at a price.
//
// Not for several threads at once. The texts may be secrets: they are wiped when they are
// forgotten, and compared in constant time.
#pragma once

#include "base/bytes.hpp"
#include "base/secret.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe {

template <typename Value>
class recent {
 public:
    // `count_max` is a multiple of `ways`. The memory comes with the first value.
    explicit recent(std::size_t count_max) : count_max_(count_max) {}
    recent(const recent&) = delete;
    recent& operator=(const recent&) = delete;

    static constexpr std::size_t ways = 8;

    // Null for what is not there. Good until the next call of keep().
    [[nodiscard]] Value* find(std::string_view text) {
        if (entries_.empty()) return nullptr;
        const std::uint64_t hash = hash_of(text);
        const std::size_t first = first_place(hash);
        for (std::size_t at = first; at < first + ways; ++at)
            if (hashes_[at] == hash && equal_constant_time(entries_[at].text.reveal(), text)) {
                entries_[at].used = ++uses_;
                return &entries_[at].value;
            }
        return nullptr;
    }

    // In place of what is there under that text.
    void keep(std::string_view text, Value value) {
        if (Value* const there = find(text)) {
            *there = std::move(value);
            return;
        }
        hashes_.resize(count_max_);
        entries_.resize(count_max_);
        const std::uint64_t hash = hash_of(text);
        const auto first = entries_.begin() + static_cast<std::ptrdiff_t>(first_place(hash));
        const auto at = std::ranges::min_element(first, first + ways, {}, &entry::used);
        hashes_[static_cast<std::size_t>(at - entries_.begin())] = hash;
        *at = {++uses_, secret(std::string(text)), std::move(value)};
    }

 private:
    struct entry {
        std::uint64_t used = 0;  // 0: free
        secret text;
        Value value{};
    };

    static std::uint64_t hash_of(std::string_view text) noexcept {
        return std::hash<std::string_view>{}(text) | 1;
    }
    // A text stands there, or in one of the places behind it.
    [[nodiscard]] std::size_t first_place(std::uint64_t hash) const noexcept {
        return (hash >> 1) % (count_max_ / ways) * ways;
    }

    std::size_t count_max_;
    std::uint64_t uses_ = 0;
    // Those of one text's places are a cache line: the others are not looked at.
    std::vector<std::uint64_t> hashes_;  // 0: free
    std::vector<entry> entries_;
};

}  // namespace lethe
