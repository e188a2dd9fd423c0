#include "base/json.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <string>

namespace lethe::json {
namespace {

namespace bj = boost::json;

void indent(std::string& out, std::size_t depth) {
    out.append(depth * 2, ' ');
}

void write_indented(std::string& out, const bj::value& value, std::size_t depth) {
    const auto write_all = [&](const auto& all, char open, char close, auto write_one) {
        if (all.empty()) return void(out += {open, close});
        out += open;
        const char* separator = "\n";
        for (const auto& one : all) {
            out += separator;
            indent(out, depth + 1);
            write_one(one);
            separator = ",\n";
        }
        out += '\n';
        indent(out, depth);
        out += close;
    };
    if (value.is_object()) {
        write_all(value.get_object(), '{', '}', [&](const auto& one) {
            out += bj::serialize(bj::value(one.key())) + ": ";
            write_indented(out, one.value(), depth + 1);
        });
    } else if (value.is_array()) {
        write_all(value.get_array(), '[', ']',
                  [&](const bj::value& one) { write_indented(out, one, depth + 1); });
    } else {
        out += bj::serialize(value);
    }
}

}  // namespace

std::string to_indented_text(const bj::value& value) {
    std::string text;
    write_indented(text, value, 0);
    return text + '\n';
}

}  // namespace lethe::json
