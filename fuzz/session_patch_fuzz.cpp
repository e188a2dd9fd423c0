// Session patches: a type, a line of slots, then the patch. Whatever is applied changes only the
// slots it names, keeps their depth bounded, can be stored and read again; a merge patch twice is
// once.
#include "base/json.hpp"
#include "fuzz.hpp"
#include "session/json_tools.hpp"
#include "session/patch.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <string>

namespace {

using namespace lethe;
using session::patch;
using session::patch_type;

constexpr std::size_t patch_bytes_max = 8192;

bool writes(const patch& change, std::string_view slot) {
    return std::find(change.written().begin(), change.written().end(), slot) !=
           change.written().end();
}

// As the store holds it: slots within the depth that patches keep.
bool storable(const boost::json::object& slots) {
    return std::all_of(slots.begin(), slots.end(), [](const boost::json::key_value_pair& slot) {
        return session::depth_of(slot.value()) <= session::slot_depth_max &&
               session::all_finite(slot.value());
    });
}

// Boost.JSON 1.81 reads doubles of 17 digits a bit or two off, so those cannot be compared.
bool has_double(const boost::json::value& value) {
    if (value.is_array())
        return std::any_of(value.get_array().begin(), value.get_array().end(), has_double);
    if (value.is_object())
        return std::any_of(value.get_object().begin(), value.get_object().end(),
                           [](const auto& member) { return has_double(member.value()); });
    return value.is_double();
}

void check_applied(const patch& change, const boost::json::object& before,
                   const boost::json::object& after) {
    LETHE_FUZZ_CHECK(storable(after));
    for (const auto& slot : before)
        if (!writes(change, slot.key()))
            LETHE_FUZZ_CHECK(after.contains(slot.key()) &&
                             session::equal_json(after.at(slot.key()), slot.value()));
    for (const auto& slot : after) {
        LETHE_FUZZ_CHECK(before.contains(slot.key()) || writes(change, slot.key()));
        const std::string text = json::to_text(slot.value());
        const result<boost::json::value> again =
            json::parse(text, {.bytes_max = 1024 * 1024, .depth_max = session::slot_depth_max + 1});
        LETHE_FUZZ_CHECK(again.has_value());
        LETHE_FUZZ_CHECK(has_double(slot.value()) || session::equal_json(*again, slot.value()));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view in = fuzz::text(data, size);
    const std::size_t line = in.find('\n');
    if (in.empty() || line == std::string_view::npos) return 0;
    const auto type = static_cast<patch_type>(static_cast<unsigned char>(in.front()) % 3);
    const std::string_view slots_text = in.substr(1, line - 1);

    const result<patch> change = patch::parse(type, in.substr(line + 1), patch_bytes_max);
    if (change.has_error()) return 0;
    const result<boost::json::object> before = json::parse_object(slots_text, {.bytes_max = 4096});
    if (before.has_error() || !storable(*before)) return 0;

    boost::json::object after = *before;
    if (change->apply(after).has_error()) return 0;
    check_applied(*change, *before, after);

    boost::json::object again = *before;
    LETHE_FUZZ_CHECK(change->apply(again).has_value() && session::equal_json(again, after));
    if (type == patch_type::merge) {
        LETHE_FUZZ_CHECK(change->apply(again).has_value());
        LETHE_FUZZ_CHECK(session::equal_json(again, after));
    }
    return 0;
}
