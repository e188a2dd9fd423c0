// lethe::json_value: JSON from a client or a session, and a JSON Pointer into it.
//
// The first line is the pointer, the rest is the text.
#include "fuzz.hpp"
#include "lethe/json.hpp"

#include <map>

namespace {

struct anything {
    std::string text;
    std::int64_t number = 0;
    std::vector<double> list;
    std::map<std::string, lethe::json_value> rest;

    static constexpr auto json_members =
        lethe::members("text", &anything::text, "number", &anything::number, "list",
                       &anything::list, "rest", &anything::rest);
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view in = lethe::fuzz::text(data, size);
    const std::size_t line = in.find('\n');
    if (line == std::string_view::npos) return 0;
    const auto read = lethe::json_value::parse(in.substr(line + 1));
    if (read.has_error()) return 0;

    // What is written can be read.
    const auto again = lethe::json_value::parse(read->to_text());
    LETHE_FUZZ_CHECK(again.has_value());

    const lethe::json_value* const found = read->at(in.substr(0, line));
    const auto typed = (found != nullptr ? *found : *read).as<anything>();
    if (typed.has_error()) return 0;
    const lethe::json_value written = *typed;
    const auto back = written.as<anything>();
    LETHE_FUZZ_CHECK(back.has_value() && back->number == typed->number &&
                     back->text == typed->text);
    return 0;
}
