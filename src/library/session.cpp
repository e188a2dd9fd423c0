#include "lethe/session.hpp"

#include "base/log.hpp"

namespace lethe {
inline namespace v1 {

json_value::json_value(std::string_view text) {
    log::append_json_string(text_, text);
}

session_change& session_change::add(std::string_view name, std::string_view pointer,
                                    std::string_view members) {
    if (!operations_.empty()) operations_ += ',';
    operations_ += R"({"op":")";
    operations_ += name;
    operations_ += R"(","path":)";
    log::append_json_string(operations_, pointer);
    operations_ += members;
    operations_ += '}';
    return *this;
}

session_change& session_change::increment(std::string_view pointer, std::int64_t by,
                                          increment_bounds bounds) {
    std::string members = R"(,"by":)" + std::to_string(by);
    if (bounds.min) members += R"(,"min":)" + std::to_string(*bounds.min);
    if (bounds.max) members += R"(,"max":)" + std::to_string(*bounds.max);
    return add("inc", pointer, members);
}

session_change& session_change::set_add(std::string_view pointer, const json_value& value) {
    return add("set_add", pointer, R"(,"value":)" + value.text());
}

session_change& session_change::set_remove(std::string_view pointer, const json_value& value) {
    return add("set_remove", pointer, R"(,"value":)" + value.text());
}

session_change& session_change::append(std::string_view pointer, const json_value& value,
                                       std::uint64_t limit) {
    std::string members = R"(,"value":)" + value.text();
    if (limit > 0) members += R"(,"limit":)" + std::to_string(limit);
    return add("append", pointer, members);
}

session_change& session_change::put_if_absent(std::string_view pointer, const json_value& value) {
    return add("put_if_absent", pointer, R"(,"value":)" + value.text());
}

std::string session_change::to_json() const {
    return '[' + operations_ + ']';
}

std::string escape_pointer(std::string_view member) {
    std::string out;
    for (const char c : member) {
        if (c == '~')
            out += "~0";
        else if (c == '/')
            out += "~1";
        else
            out += c;
    }
    return out;
}

}  // namespace v1
}  // namespace lethe
