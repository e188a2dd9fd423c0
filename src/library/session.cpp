#include "lethe/session.hpp"

#include <utility>

namespace lethe {
inline namespace v1 {

std::string_view internal::word_of(session_condition condition) noexcept {
    switch (condition) {
        case session_condition::slots: break;
        case session_condition::version: return "version";
        case session_condition::any: return "any";
    }
    return "slots";
}

const json_value* slot_view::find(std::string_view pointer) const {
    return content_ == nullptr ? nullptr : content_->at(pointer);
}

boost::system::error_code slot_view::reason() const {
    return why_ ? why_ : make_error_code(service_errc::no_value);
}

session_view::session_view(boost::system::result<json_value> slots, std::uint64_t version)
    : version_(version) {
    if (slots.has_value() && slots->is_object())
        slots_ = std::make_shared<const json_value>(*std::move(slots));
    else
        why_ = slots.has_error() ? slots.error() : make_error_code(service_errc::malformed_field);
}

bool session_view::empty() const noexcept {
    return !slots_ || slots_->members().empty();
}

slot_view session_view::slot(std::string_view name) const {
    return {slots_, slots_ ? slots_->find(name) : nullptr, why_};
}

boost::system::result<json_value> session_view::slots() const {
    if (why_) return why_;
    return *slots_;
}

session_change& session_change::add(std::string_view name, std::string_view pointer,
                                    json_value more) {
    json_value operation;
    operation.set("op", name).set("path", pointer);
    for (const json_member& one : more.members()) operation.set(one.name, one.value);
    operations_.push_back(std::move(operation));
    return *this;
}

session_change& session_change::increment(std::string_view pointer, std::int64_t by,
                                          increment_bounds bounds) {
    json_value more;
    more.set("by", by);
    if (bounds.min) more.set("min", *bounds.min);
    if (bounds.max) more.set("max", *bounds.max);
    return add("inc", pointer, std::move(more));
}

session_change& session_change::set_add(std::string_view pointer, const json_value& value) {
    return add("set_add", pointer, json_value::object({{"value", value}}));
}

session_change& session_change::set_remove(std::string_view pointer, const json_value& value) {
    return add("set_remove", pointer, json_value::object({{"value", value}}));
}

session_change& session_change::append(std::string_view pointer, const json_value& value,
                                       std::uint64_t limit) {
    json_value more = json_value::object({{"value", value}});
    if (limit > 0 && std::in_range<std::int64_t>(limit))
        more.set("limit", static_cast<std::int64_t>(limit));
    return add("append", pointer, std::move(more));
}

session_change& session_change::put_if_absent(std::string_view pointer, const json_value& value) {
    return add("put_if_absent", pointer, json_value::object({{"value", value}}));
}

std::string session_change::to_json() const {
    return json_value::array(operations_).to_text();
}

session_merge& session_merge::put(std::string_view slot, const json_value& value) {
    slots_.set(slot, value);
    return *this;
}

session_merge& session_merge::remove(std::string_view slot) {
    slots_.set(slot, nullptr);
    return *this;
}

std::string session_merge::to_json() const {
    return slots_.to_text();
}

session_patch& session_patch::push(std::string_view name, std::string_view pointer,
                                   std::string_view member, const json_value& value) {
    json_value operation;
    operation.set("op", name).set("path", pointer);
    if (!member.empty()) operation.set(member, value);
    operations_.push_back(std::move(operation));
    return *this;
}

session_patch& session_patch::test(std::string_view pointer, const json_value& value) {
    return push("test", pointer, "value", value);
}
session_patch& session_patch::add(std::string_view pointer, const json_value& value) {
    return push("add", pointer, "value", value);
}
session_patch& session_patch::replace(std::string_view pointer, const json_value& value) {
    return push("replace", pointer, "value", value);
}
session_patch& session_patch::remove(std::string_view pointer) {
    return push("remove", pointer, {}, {});
}
session_patch& session_patch::copy(std::string_view from, std::string_view to) {
    return push("copy", to, "from", from);
}
session_patch& session_patch::move(std::string_view from, std::string_view to) {
    return push("move", to, "from", from);
}

std::string session_patch::to_json() const {
    return json_value::array(operations_).to_text();
}

}  // namespace v1
}  // namespace lethe
