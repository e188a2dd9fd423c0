// What tests of session rows say again and again.
#pragma once

#include "rows/rows.hpp"

#include <algorithm>
#include <string>

namespace lethe::test {

inline reply patching(const std::string& type, const std::string& json) {
    return {.fields = {{"Lethe-Session-Patch", ":" + base64(json) + ":;type=" + type}}};
}
inline reply merging(const std::string& json) {
    return patching("merge", json);
}
inline reply adding_one() {
    return patching("ops", R"([{"op":"inc","path":"/cart/count","by":1}])");
}
inline reply logging_in(const std::string& who) {
    return {.fields = {{"Lethe-Session-Op", "bind;subject=\"" + who + "\""}}};
}
// What the service was shown.
inline std::string slots_of(const seen_request& by) {
    return from_base64_text(by.field("Lethe-Session"));
}
inline std::string cart_route(const std::string& more = {}) {
    return "  - match: {prefix: /}\n    session: {read: [cart, user], write: [cart, user]" +
           (more.empty() ? "" : ", " + more) + "}\n    upstream: app\n";
}
inline std::string subject_path(const std::string& who) {
    return "/lethe/v1/subjects/" + who + "/sessions";
}
// The text behind "name":" in JSON; "" when it is not there.
inline std::string text_after(const std::string& json, const std::string& name) {
    const std::size_t at = json.find("\"" + name + "\":");
    if (at == std::string::npos) return "";
    const std::size_t from = at + name.size() + 3;
    return json.substr(from, json.find_first_of(",}", from) - from);
}

}  // namespace lethe::test
