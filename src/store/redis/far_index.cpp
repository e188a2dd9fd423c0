#include "store/redis/far_index.hpp"

#include "store/redis/functions.hpp"

#include <utility>

namespace lethe::store::redis {
namespace {

// Between braces stands what decides the slot: both keys have the same, whatever the subject is.
constexpr std::string_view set_begins = "{s:";
constexpr std::string_view set_ends = "}";
constexpr std::string_view moments_mark = "m";

resp::command begin_call(std::string& to, std::string_view function, const index_keys& keys,
                         std::size_t more_words) {
    resp::command out(to, 5 + more_words);
    out.word("FCALL").word(function).word("2").word(keys.names).word(keys.moments);
    return out;
}

}  // namespace

index_keys far_keys_of(std::string_view subject, const key_names& names) {
    std::string set = names.prefix;
    set += set_begins;
    set += subject;
    set += set_ends;
    return far_keys_of_set(set);
}

index_keys far_keys_of_set(std::string_view set) {
    index_keys out{std::string(set), std::string(set)};
    out.moments += moments_mark;
    return out;
}

std::string subject_of_set(std::string_view set, const key_names& names) {
    const std::size_t around = names.prefix.size() + set_begins.size() + set_ends.size();
    if (set.size() < around) return {};
    return std::string(set.substr(names.prefix.size() + set_begins.size(), set.size() - around));
}

std::string far_sets_pattern(const key_names& names) {
    std::string out = names.pattern(set_begins);
    out += set_ends;
    return out;
}

std::string index_add_command(const index_keys& keys, std::string_view name,
                              std::chrono::milliseconds ttl) {
    std::string out;
    begin_call(out, function::index_add, keys, 2).word(name).number(ttl_millis(ttl));
    return out;
}

std::string index_prolong_command(const index_keys& keys, std::chrono::milliseconds ttl) {
    std::string out;
    begin_call(out, function::index_prolong, keys, 1).number(ttl_millis(ttl));
    return out;
}

std::string index_due_command(const index_keys& keys, std::size_t count) {
    std::string out;
    begin_call(out, function::index_due, keys, 1).number(static_cast<std::int64_t>(count));
    return out;
}

std::string index_page_command(const index_keys& keys, std::string_view first, std::string_view end,
                               std::size_t count) {
    std::string out;
    resp::command(out, 8)
        .word("ZRANGE")
        .word(keys.names)
        .word("[", first)
        .word("(", end)
        .word("BYLEX")
        .word("LIMIT")
        .word("0")
        .number(static_cast<std::int64_t>(count));
    return out;
}

std::string front_command(std::string_view key, const key_names& names) {
    std::string out;
    resp::command(out, 4)
        .word("GETRANGE")
        .word(names.prefix, key_names::record_mark, key)
        .word("0")
        .number(static_cast<std::int64_t>(record_front_bytes) - 1);
    return out;
}

result<std::vector<due_name>> read_due_names(const resp::value& reply) {
    if (!reply.is_list() || reply.items.size() % 2 != 0) return LETHE_ERR(errc::corrupt);
    std::vector<due_name> out;
    for (std::size_t i = 0; i < reply.items.size(); i += 2) {
        if (!reply.items[i].is_text() || !reply.items[i + 1].is_text())
            return LETHE_ERR(errc::corrupt);
        out.push_back({std::string(reply.items[i].text), std::string(reply.items[i + 1].text)});
    }
    return out;
}

result<added_name> read_added_name(const resp::value& reply) {
    if (!reply.is_list() || reply.items.size() != 2 || !reply.items[0].is_integer() ||
        reply.items[0].integer <= 0)
        return LETHE_ERR(errc::corrupt);
    LETHE_TRY(std::vector<due_name> due, read_due_names(reply.items[1]));
    return added_name{reply.items[0].integer, std::move(due)};
}

result<std::optional<record>> read_front(const resp::value& front) {
    if (!front.is_text()) return LETHE_ERR(errc::corrupt);
    // The server keeps no string past its expiry.
    if (front.text.empty()) return std::optional<record>{};
    LETHE_TRY(record present, decode_record_front(front.text));
    return std::optional(std::move(present));
}

result<> settlement::add(const due_name& one, const resp::value& front, std::string_view subject) {
    LETHE_TRY(const std::optional<record> present, read_front(front));
    words_.push_back(one.name);
    words_.push_back(one.moment);
    words_.push_back(present && present->subject == subject
                         ? std::to_string(present->expires.time_since_epoch().count())
                         : "");
    return {};
}

std::string settlement::command(const index_keys& keys) const {
    std::string out;
    resp::command call = begin_call(out, function::index_settle, keys, words_.size());
    for (const std::string& word : words_) call.word(word);
    return out;
}

}  // namespace lethe::store::redis
