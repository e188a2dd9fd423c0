// The session that lethe keeps: what a service reads of it, and the changes it asks for.
//
//     const lethe::session_view session = r.session();
//     const auto items = session.slot("cart").get_or<std::vector<std::string>>("/items", {});
//     answer.change_session(lethe::session_change()
//                               .set_add("/cart/items", "sku-1")
//                               .increment("/cart/count", 1));
//
// Paths of changes are JSON Pointers (RFC 6901); the first member is the slot, which the route must
// list under `session: {write: [...]}`. A change is at most 8 KiB of JSON.
#pragma once

#include "lethe/json.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace lethe {
inline namespace v1 {

// One slot as it was when lethe read it. A value. Pointers are within the slot: "/items/0"; "" is
// all of it.
class slot_view {
 public:
    slot_view(std::shared_ptr<const json_value> all, const json_value* content,
              boost::system::error_code why)
        : all_(std::move(all)), content_(content), why_(why) {}

    [[nodiscard]] bool exists() const noexcept { return content_ != nullptr; }
    // Errors: no_value when there is nothing, wrong_type, malformed_field, session_elsewhere.
    template <class T>
    [[nodiscard]] boost::system::result<T> get(std::string_view pointer = {}) const {
        const json_value* const found = find(pointer);
        if (found != nullptr) return found->as<T>();
        return boost::system::result<T>(boost::system::in_place_error, reason());
    }
    // `otherwise` where there is nothing; what is there and something else is an error still.
    template <class T>
    [[nodiscard]] boost::system::result<T> get_or(std::string_view pointer, T otherwise) const {
        boost::system::result<T> found = get<T>(pointer);
        if (found.has_error() && found.error() == make_error_code(service_errc::no_value))
            return boost::system::result<T>(boost::system::in_place_value, std::move(otherwise));
        return found;
    }

 private:
    [[nodiscard]] const json_value* find(std::string_view pointer) const;
    // Why there is nothing.
    [[nodiscard]] boost::system::error_code reason() const;

    std::shared_ptr<const json_value> all_;
    const json_value* content_;
    boost::system::error_code why_;
};

// The slots that the route may read. A value, good beyond its request.
class session_view {
 public:
    session_view(boost::system::result<json_value> slots, std::uint64_t version);

    // No session, or none of its slots may be read.
    [[nodiscard]] bool empty() const noexcept;
    [[nodiscard]] slot_view slot(std::string_view name) const;
    // All of them, an object. Errors: malformed_field, session_elsewhere.
    [[nodiscard]] boost::system::result<json_value> slots() const;
    // 0: there is no session.
    [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

 private:
    std::shared_ptr<const json_value> slots_;
    boost::system::error_code why_;
    std::uint64_t version_;
};

// What an increment may not leave; lethe refuses the whole change then.
struct increment_bounds {
    std::optional<std::int64_t> min = {};
    std::optional<std::int64_t> max = {};
};

// Operations that commute: two requests that change the same session at the same time both take
// effect, in any order, without a conflict. Missing containers are made. A value; operations take
// effect in the order of the calls, all or none.
class session_change {
 public:
    // Adds to the number at `pointer`; a missing one counts as 0.
    session_change& increment(std::string_view pointer, std::int64_t by,
                              increment_bounds bounds = {});
    // Adds to the array at `pointer` unless an equal value is in it.
    session_change& set_add(std::string_view pointer, const json_value& value);
    // Removes each equal value from the array at `pointer`.
    session_change& set_remove(std::string_view pointer, const json_value& value);
    // Appends to the array at `pointer`, which then keeps its last `limit` elements (0: all).
    session_change& append(std::string_view pointer, const json_value& value,
                           std::uint64_t limit = 0);
    session_change& put_if_absent(std::string_view pointer, const json_value& value);

    [[nodiscard]] bool empty() const noexcept { return operations_.empty(); }
    // The JSON array that goes to lethe.
    [[nodiscard]] std::string to_json() const;

 private:
    session_change& add(std::string_view name, std::string_view pointer, json_value more);

    std::vector<json_value> operations_;
};

// A merge patch (RFC 7396) of whole slots: replaces what it names. Two at once of the same slot
// conflict: prefer session_change. A value.
class session_merge {
 public:
    session_merge& put(std::string_view slot, const json_value& value);
    session_merge& remove(std::string_view slot);

    [[nodiscard]] std::string to_json() const;

 private:
    json_value slots_ = json_value::object({});
};

// A JSON patch (RFC 6902). A `test` that does not hold refuses the whole of it: the client gets
// session-conflict. A value.
class session_patch {
 public:
    session_patch& test(std::string_view pointer, const json_value& value);
    session_patch& add(std::string_view pointer, const json_value& value);
    session_patch& replace(std::string_view pointer, const json_value& value);
    session_patch& remove(std::string_view pointer);
    session_patch& copy(std::string_view from, std::string_view to);
    session_patch& move(std::string_view from, std::string_view to);

    [[nodiscard]] std::string to_json() const;

 private:
    session_patch& push(std::string_view name, std::string_view pointer, std::string_view member,
                        const json_value& value);

    std::vector<json_value> operations_;
};

// When a change of a session that others have changed meanwhile is made (Lethe-Session-If).
enum class session_condition {
    slots,    // the slots that a merge or a patch touches are as they were; operations always
    version,  // nothing at all has changed
    any,      // always
};

namespace internal {
// The value of Lethe-Session-If.
std::string_view word_of(session_condition condition) noexcept;
}  // namespace internal

// A change that is made at once, by URL (request::change_session).
struct session_change_options {
    session_condition condition = session_condition::slots;
    // Names the change among those that the handler makes. With it a keyed request that is run
    // again makes the change once in its session (for `sessions.operation_memory`); without it,
    // or without an Idempotency-Key, each time anew.
    std::string_view step = {};
};

}  // namespace v1
}  // namespace lethe
