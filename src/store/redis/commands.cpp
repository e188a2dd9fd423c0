#include "store/redis/commands.hpp"

#include "store/redis/functions.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace lethe::store::redis {
namespace {

using resp::command;

// FCALL, its name, the number of keys, the key, the bytes of the prefix.
constexpr std::size_t call_words = 5;

// The word for what a change expects.
class expected_bytes {
 public:
    explicit expected_bytes(const expectation& expect) {
        if (std::holds_alternative<absent>(expect)) {
            bytes_[0] = '-';
            size_ = 1;
        } else if (const auto* version = std::get_if<record_version>(&expect)) {
            bytes_ = to_bytes(*version);
            size_ = bytes_.size();
        }
    }
    [[nodiscard]] std::string_view text() const noexcept { return {bytes_.data(), size_}; }

 private:
    std::array<char, 8> bytes_{};
    std::size_t size_ = 0;
};

std::string_view view(const std::array<char, 8>& bytes) noexcept {
    return {bytes.data(), bytes.size()};
}

// With the words that every function begins with. In a cluster the functions are not told the bytes
// of the prefix: they cannot get at the sets.
command begin_call(std::string& to, std::string_view function, std::string_view key,
                   const key_names& names, bool far, std::size_t more_words) {
    command out(to, call_words + more_words);
    out.word("FCALL").word(function).word("1").word(names.prefix, key_names::record_mark, key);
    if (far)
        out.word("");
    else
        out.number(static_cast<std::int64_t>(names.prefix.size()));
    return out;
}

struct how {
    record_version fresh;
    const key_names& names;
    const far_index* far;
};

void append(std::string& to, const get& one, const how& with) {
    const resp::word key{one.key, key_names::record_mark, with.names.prefix};
    resp::append(to, "*2\r\n$3\r\nGET\r\n", {&key, 1});
}
// The call that is made most, written at one go.
void append(std::string& to, const put& one, const how& with) {
    static constexpr std::string_view head =
        "*10\r\n$5\r\nFCALL\r\n$11\r\nlethe_1_put\r\n$1\r\n1\r\n";
    static constexpr std::string_view dated_head =
        "*11\r\n$5\r\nFCALL\r\n$11\r\nlethe_1_put\r\n$1\r\n1\r\n";
    static_assert(function::put == "lethe_1_put" && call_words == 5);
    const bool dated = with.far != nullptr && with.far->last_moment != 0;
    const resp::digits prefix_bytes(static_cast<std::int64_t>(with.names.prefix.size()));
    const expected_bytes expect(one.expect);
    const resp::digits ttl(ttl_millis(one.ttl));
    const std::array<char, 8> fresh = to_bytes(with.fresh);
    const resp::digits moment(dated ? with.far->last_moment : 0);
    const resp::word words[] = {{one.key, key_names::record_mark, with.names.prefix},
                                {with.far != nullptr ? std::string_view() : prefix_bytes.text()},
                                {expect.text()},
                                {ttl.text()},
                                {view(fresh)},
                                {one.subject},
                                {one.value},
                                {moment.text()}};
    resp::append(to, dated ? dated_head : head,
                 std::span(words).first(std::size(words) - (dated ? 0 : 1)));
}
void append(std::string& to, const erase& one, const how& with) {
    begin_call(to, function::erase, one.key, with.names, with.far != nullptr, 1)
        .word(expected_bytes(one.expect).text());
}
void append(std::string& to, const touch& one, const how& with) {
    command call = begin_call(to, function::touch, one.key, with.names, with.far != nullptr,
                              with.far != nullptr ? 2 : 1);
    call.number(ttl_millis(one.ttl));
    if (with.far != nullptr) call.word(with.far->subject);
}

// As functions.lua takes them in a transaction.
std::size_t words_of(const operation& any) {
    static constexpr std::size_t words[] = {0, 5, 1, 1};
    return words[any.index()];
}
char letter_of(const operation& any) {
    static constexpr char letters[] = {'g', 'p', 'e', 't'};
    return letters[any.index()];
}

result<> read_present(std::optional<record>& out, const resp::value& reply) {
    if (reply.is_null()) return {};
    if (!reply.is_text()) return LETHE_ERR(errc::corrupt);
    return decode_record_into(out.emplace(), reply.text);
}

void note(outcome& in, error_code error, remedy helps, std::string_view reason) {
    if (!in.error) {
        in.error = error;
        in.helps = helps;
        in.reason = reason;
    }
}

void note_error(outcome& in, std::string_view text, bool a_change) {
    const refusal why = judge_error(text);
    note(in, LETHE_ERR(why.code), why.helps, text);
    if (a_change && !why.nothing_ran) in.nothing_changed = false;
}

}  // namespace

record_version draw_version(const operation& any, version_source& from) {
    return std::holds_alternative<put>(any) ? from.next() : record_version{};
}

std::vector<record_version> draw_versions(std::span<const operation> operations,
                                          version_source& from) {
    std::vector<record_version> out(operations.size());
    for (std::size_t i = 0; i < operations.size(); ++i) out[i] = draw_version(operations[i], from);
    return out;
}

void append_operation(std::string& to, const operation& any, record_version fresh,
                      const key_names& names) {
    const how with{fresh, names, nullptr};
    std::visit([&](const auto& one) { append(to, one, with); }, any);
}

void append_far_operation(std::string& to, const operation& any, record_version fresh,
                          const key_names& names, const far_index& index) {
    const how with{fresh, names, &index};
    std::visit([&](const auto& one) { append(to, one, with); }, any);
}

const std::string_view* read_other_subject(const resp::value& reply) noexcept {
    const bool told = reply.is_list() && reply.items.size() == 2 && reply.items[0].is_integer() &&
                      reply.items[0].integer == 2 && reply.items[1].is_text();
    return told ? &reply.items[1].text : nullptr;
}

const std::string& key_of(const operation& any) noexcept {
    return std::visit([](const auto& one) -> const std::string& { return one.key; }, any);
}

void append_transaction(std::string& to, std::span<const operation> operations,
                        std::span<const record_version> fresh, const key_names& names) {
    // The letters stand where begin_call() counts the one key.
    std::size_t words = call_words + operations.size();
    std::string letters;
    for (const operation& any : operations) {
        words += words_of(any);
        letters += letter_of(any);
    }
    command call(to, words);
    call.word("FCALL").word(function::transact);
    call.number(static_cast<std::int64_t>(operations.size()));
    for (const operation& any : operations)
        call.word(names.prefix, key_names::record_mark, key_of(any));
    call.number(static_cast<std::int64_t>(names.prefix.size())).word(letters);
    for (std::size_t i = 0; i < operations.size(); ++i) {
        if (const auto* one = std::get_if<put>(&operations[i]))
            call.word(expected_bytes(one->expect).text())
                .number(ttl_millis(one->ttl))
                .word(view(to_bytes(fresh[i])))
                .word(one->subject)
                .word(one->value);
        else if (const auto* gone = std::get_if<erase>(&operations[i]))
            call.word(expected_bytes(gone->expect).text());
        else if (const auto* prolonged = std::get_if<touch>(&operations[i]))
            call.number(ttl_millis(prolonged->ttl));
    }
}

result<answer> read_answer(const operation& any, record_version fresh, const resp::value& reply) {
    if (reply.is_integer() && changes(any)) {
        if (reply.integer != 1) return LETHE_ERR(errc::corrupt);
        return answer{.done = true, .version = fresh};
    }
    result<answer> out = answer{.done = !changes(any)};
    const result<> read = read_present(out->present, reply);
    if (read.has_error()) return read.error();
    return out;
}

outcome read_batch(std::span<const operation> operations, std::span<const record_version> fresh,
                   std::span<const resp::value> replies) {
    outcome out;
    out.answers.reserve(operations.size());
    for (std::size_t i = 0; i < operations.size(); ++i) {
        const bool a_change = changes(operations[i]);
        if (replies[i].is_error()) {
            note_error(out, replies[i].text, a_change);
            continue;
        }
        result<answer> one = read_answer(operations[i], fresh[i], replies[i]);
        if (one.has_error()) {
            note(out, one.error(), remedy::none, "not a record");
            continue;
        }
        if (a_change && one->done) out.nothing_changed = false;
        out.answers.push_back(*std::move(one));
    }
    if (out.error && !out.nothing_changed) out.error = LETHE_ERR(errc::outcome_unknown);
    return out;
}

outcome read_transaction(std::span<const operation> operations,
                         std::span<const record_version> fresh, const resp::value& reply) {
    outcome out;
    const bool reads = std::ranges::none_of(operations, changes);
    if (reply.is_error()) {
        note_error(out, reply.text, !reads);
        if (!out.nothing_changed) out.error = LETHE_ERR(errc::outcome_unknown);
        return out;
    }
    const error_code not_understood =
        reads ? LETHE_ERR(errc::corrupt) : LETHE_ERR(errc::outcome_unknown);
    if (!reply.is_list() || reply.items.size() != operations.size()) {
        out.error = not_understood;
        out.nothing_changed = reads;
        return out;
    }
    out.answers.reserve(operations.size());
    bool all = true;
    for (std::size_t i = 0; i < operations.size(); ++i) {
        result<answer> one = read_answer(operations[i], fresh[i], reply.items[i]);
        if (one.has_error()) {
            out.error = not_understood;
            out.nothing_changed = reads;
            return out;
        }
        all = all && one->done;
        out.answers.push_back(*std::move(one));
    }
    out.nothing_changed = reads || !all;
    if (!all)
        for (answer& one : out.answers) one.version = {};
    return out;
}

error_code as_read(const error_code& error, bool past_deadline) noexcept {
    if (error != condition::outcome_unknown) return error;
    return past_deadline ? LETHE_ERR(errc::timeout) : LETHE_ERR(errc::unavailable);
}

}  // namespace lethe::store::redis
