// The fields of a message, in order, as they were received or set.
#pragma once

#include "base/arena.hpp"
#include "http/field_id.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::http {

struct field_line {
    field_id id = field_id::other;
    std::string_view name;
    std::string_view value;  // without surrounding white space
};

// One exchange, one thread. Names and values are views: either into the connection's buffer or
// copied into the exchange's arena, both of which live until the exchange ends.
class fields {
 public:
    explicit fields(arena& memory) noexcept : memory_(memory) {}
    fields(const fields&) = delete;
    fields& operator=(const fields&) = delete;

    // Names and values must live as long as the exchange.
    void append_borrowed(std::string_view name, std::string_view value) {
        if (size_ == capacity_) grow();
        lines_[size_++] = {identify(name), name, value};
    }
    // Copies both.
    void add(std::string_view name, std::string_view value) {
        append_borrowed(memory_.copy(name), memory_.copy(value));
    }
    // Replaces every line of that name.
    void set(std::string_view name, std::string_view value);
    // How many lines went away.
    std::size_t remove(std::string_view name);
    std::size_t remove(field_id id);
    // Removes the lines for which `predicate(const field_line&)` holds.
    template <class Predicate>
    std::size_t remove_if(Predicate predicate) {
        const field_line* const kept = std::remove_if(lines_, lines_ + size_, predicate);
        const std::size_t removed = size_ - static_cast<std::size_t>(kept - lines_);
        size_ -= removed;
        return removed;
    }

    // The first line's value. For known fields the second form is quicker.
    [[nodiscard]] std::optional<std::string_view> first(std::string_view name) const;
    [[nodiscard]] std::optional<std::string_view> first(field_id id) const;
    [[nodiscard]] std::size_t count(std::string_view name) const;
    [[nodiscard]] std::size_t count(field_id id) const;
    // All lines of the name joined with ", " (RFC 9110 section 5.3); none: nullopt.
    [[nodiscard]] std::optional<std::string> combined(std::string_view name) const;

    [[nodiscard]] const field_line* begin() const noexcept { return lines_; }
    [[nodiscard]] const field_line* end() const noexcept { return lines_ + size_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    void clear() noexcept { size_ = 0; }

    [[nodiscard]] arena& memory() noexcept { return memory_; }

 private:
    void grow();

    arena& memory_;
    field_line* lines_ = nullptr;  // in memory_
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

// A field name by RFC 9110 section 5.1 (token).
[[nodiscard]] bool is_token(std::string_view text) noexcept;
// A field value by RFC 9110 section 5.5: no control bytes but HTAB.
[[nodiscard]] bool is_field_value(std::string_view text) noexcept;
// Calls `visit(std::string_view member)` for each member of a comma list (empty members skipped),
// quoted strings kept whole; for token lists such as Connection.
template <class Visit>
void for_each_list_member(std::string_view list, Visit visit);

// Takes away the fields that Connection names: they are for the next hop alone (RFC 9110
// section 7.6.1). Done as soon as a head was read, before anything of the gateway's own is set, so
// that nobody can name a field that a filter will set.
void drop_fields_named_by_connection(fields& header);

template <class Visit>
void for_each_list_member(std::string_view list, Visit visit) {
    while (!list.empty()) {
        std::size_t end = 0;
        bool quoted = false;
        while (end < list.size() && (quoted || list[end] != ',')) {
            if (list[end] == '"')
                quoted = !quoted;
            else if (quoted && list[end] == '\\' && end + 1 < list.size())
                ++end;
            ++end;
        }
        std::string_view member = list.substr(0, end);
        while (!member.empty() && (member.front() == ' ' || member.front() == '\t'))
            member.remove_prefix(1);
        while (!member.empty() && (member.back() == ' ' || member.back() == '\t'))
            member.remove_suffix(1);
        if (!member.empty()) visit(member);
        list.remove_prefix(end < list.size() ? end + 1 : list.size());
    }
}

}  // namespace lethe::http
