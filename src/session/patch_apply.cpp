// How a patch changes the slots it names.
#include "session/json_tools.hpp"
#include "session/patch.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace lethe::session {
namespace {

namespace bj = boost::json;

// What copies and moves may add up to: a few bytes of patch could otherwise double a value each.
constexpr std::size_t copied_bytes_max = 64 * 1024;

// RFC 7396. Depth is bounded by both texts' depth.
void merge(bj::value& target, const bj::value& change) {
    if (!change.is_object()) {
        target = change;
        return;
    }
    if (!target.is_object()) target.emplace_object();
    bj::object& into = target.get_object();
    for (const bj::key_value_pair& member : change.get_object()) {
        if (member.value().is_null())
            into.erase(member.key());
        else
            merge(into[member.key()], member.value());
    }
}

// RFC 6901: "0" or digits without a leading zero.
std::optional<std::size_t> array_index(std::string_view text) {
    if (text.empty() || text.size() > 9 || (text.size() > 1 && text.front() == '0'))
        return std::nullopt;
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return index;
}

bj::value* child(bj::value& parent, std::string_view name) {
    if (parent.is_object()) return parent.get_object().if_contains(name);
    if (!parent.is_array()) return nullptr;
    const std::optional<std::size_t> index = array_index(name);
    return index && *index < parent.get_array().size() ? &parent.get_array()[*index] : nullptr;
}

// One patch over one set of slots.
class applier {
 public:
    explicit applier(bj::object& slots) : root_(slots) {}

    result<> run(const step& one) {
        switch (one.op) {
            case step::kind::add: return add(one.path, one.value);
            case step::kind::remove: return drop(one.path).has_error() ? unfit() : result<>{};
            case step::kind::replace: return replace(one);
            case step::kind::move: return move(one);
            case step::kind::copy: return copy(one);
            case step::kind::test: return test(one);
            case step::kind::inc: return increment(one);
            case step::kind::put_if_absent: return put_if_absent(one);
            case step::kind::set_add:
            case step::kind::set_remove:
            case step::kind::append: return change_array(one);
        }
        return unfit();
    }

 private:
    static result<> unfit() { return LETHE_ERR(errc::patch_unfit); }

    bj::value* find(const pointer& path) {
        bj::value* at = root_.if_contains(path.front());
        for (std::size_t i = 1; at != nullptr && i < path.size(); ++i) at = child(*at, path[i]);
        return at;
    }

    static bool too_deep(const pointer& path, const bj::value& value) {
        return path.size() - 1 + depth_of(value) > slot_depth_max;
    }

    result<> add(const pointer& path, bj::value value) {
        if (too_deep(path, value)) return LETHE_ERR(errc::too_large);
        if (path.size() == 1) {
            root_[path.front()] = std::move(value);
            return {};
        }
        bj::value* parent = find(pointer(path.begin(), path.end() - 1));
        if (parent == nullptr) return unfit();
        if (parent->is_object()) {
            parent->get_object()[path.back()] = std::move(value);
            return {};
        }
        if (!parent->is_array()) return unfit();
        bj::array& into = parent->get_array();
        const std::optional<std::size_t> index =
            path.back() == "-" ? into.size() : array_index(path.back());
        if (!index || *index > into.size()) return unfit();
        into.insert(into.begin() + static_cast<std::ptrdiff_t>(*index), std::move(value));
        return {};
    }

    // Takes the value out.
    result<bj::value> drop(const pointer& path) {
        bj::value* found = find(path);
        if (found == nullptr) return LETHE_ERR(errc::patch_unfit);
        bj::value out = std::move(*found);
        if (path.size() == 1) {
            root_.erase(path.front());
            return out;
        }
        bj::value* parent = find(pointer(path.begin(), path.end() - 1));
        if (parent->is_object())
            parent->get_object().erase(path.back());
        else
            parent->get_array().erase(parent->get_array().begin() +
                                      (found - parent->get_array().begin()));
        return out;
    }

    result<> replace(const step& one) {
        bj::value* found = find(one.path);
        if (found == nullptr) return unfit();
        if (too_deep(one.path, one.value)) return LETHE_ERR(errc::too_large);
        *found = one.value;
        return {};
    }

    result<> move(const step& one) {
        if (find(one.from) == nullptr) return unfit();
        if (one.from == one.path) return {};
        result<bj::value> taken = drop(one.from);
        if (taken.has_error()) return taken.error();
        return add(one.path, std::move(*taken));
    }

    result<> copy(const step& one) {
        const bj::value* found = find(one.from);
        if (found == nullptr) return unfit();
        copied_bytes_ += weight_of(*found);
        if (copied_bytes_ > copied_bytes_max) return LETHE_ERR(errc::too_large);
        return add(one.path, *found);
    }

    result<> test(const step& one) {
        const bj::value* found = find(one.path);
        if (found == nullptr || !equal_json(*found, one.value)) return LETHE_ERR(errc::test_failed);
        return {};
    }

    // The place of an operation; missing containers are made as objects, the place itself is null
    // then. nullptr: a scalar is in the way, or an array without that element.
    bj::value* reach(const pointer& path, bool& made) {
        made = !root_.contains(path.front());
        bj::value* at = &root_[path.front()];
        for (std::size_t i = 1; i < path.size(); ++i) {
            if (made) at->emplace_object();
            if (at->is_object()) {
                made = !at->get_object().contains(path[i]);
                at = &at->get_object()[path[i]];
            } else {
                at = child(*at, path[i]);
                if (at == nullptr) return nullptr;
            }
        }
        return at;
    }

    result<> increment(const step& one);
    result<> put_if_absent(const step& one);
    result<> change_array(const step& one);

    bj::object& root_;
    std::size_t copied_bytes_ = 0;
};

double to_double(const bj::value& v) {
    if (v.is_int64()) return static_cast<double>(v.get_int64());
    if (v.is_uint64()) return static_cast<double>(v.get_uint64());
    return v.get_double();
}

// Exact between integers of 64 bits with a sign; otherwise floating point. nullopt when it
// overflows.
std::optional<bj::value> sum(const bj::value& a, const bj::value& b) {
    if (a.is_int64() && b.is_int64()) {
        std::int64_t out = 0;
        if (__builtin_add_overflow(a.get_int64(), b.get_int64(), &out)) return std::nullopt;
        return bj::value(out);
    }
    if (a.is_uint64() || b.is_uint64()) return std::nullopt;  // beyond what counting needs
    const double out = to_double(a) + to_double(b);
    if (!std::isfinite(out)) return std::nullopt;
    return bj::value(out);
}

bool less(const bj::value& a, const bj::value& b) {
    if (a.is_int64() && b.is_int64()) return a.get_int64() < b.get_int64();
    return to_double(a) < to_double(b);
}

result<> applier::increment(const step& one) {
    if (too_deep(one.path, one.value)) return LETHE_ERR(errc::too_large);
    bool made = false;
    bj::value* at = reach(one.path, made);
    if (at == nullptr) return unfit();
    if (made) *at = 0;
    if (!at->is_number()) return unfit();
    std::optional<bj::value> out = sum(*at, one.value);
    if (!out) return unfit();
    // Nothing is cut to size: what was asked for happens, or nothing does.
    if (!one.least.is_null() && less(*out, one.least)) return LETHE_ERR(errc::bound_left);
    if (!one.most.is_null() && less(one.most, *out)) return LETHE_ERR(errc::bound_left);
    *at = std::move(*out);
    return {};
}

result<> applier::put_if_absent(const step& one) {
    if (too_deep(one.path, one.value)) return LETHE_ERR(errc::too_large);
    if (find(one.path) != nullptr) return {};
    bool made = false;
    bj::value* at = reach(one.path, made);
    if (at == nullptr) return unfit();
    *at = one.value;
    return {};
}

result<> applier::change_array(const step& one) {
    // The element lies one container deeper than the path.
    if (one.path.size() + depth_of(one.value) > slot_depth_max) return LETHE_ERR(errc::too_large);
    if (one.op == step::kind::set_remove && find(one.path) == nullptr) return {};
    bool made = false;
    bj::value* at = reach(one.path, made);
    if (at == nullptr) return unfit();
    if (made) at->emplace_array();
    if (!at->is_array()) return unfit();
    bj::array& elements = at->get_array();
    const auto is_same = [&one](const bj::value& element) {
        return equal_json(element, one.value);
    };
    if (one.op == step::kind::set_remove) {
        bj::array kept(elements.storage());
        for (bj::value& element : elements)
            if (!is_same(element)) kept.push_back(std::move(element));
        elements = std::move(kept);
        return {};
    }
    if (one.op == step::kind::set_add && std::any_of(elements.begin(), elements.end(), is_same))
        return {};
    elements.push_back(one.value);
    if (one.limit > 0 && elements.size() > one.limit)
        elements.erase(elements.begin(), elements.end() - static_cast<std::ptrdiff_t>(one.limit));
    return {};
}

}  // namespace

result<> patch::apply(bj::object& slots) const {
    for (const bj::key_value_pair& member : merge_) {
        if (member.value().is_null()) {
            slots.erase(member.key());
            continue;
        }
        bj::value& into = slots[member.key()];
        merge(into, member.value());
        if (depth_of(into) > slot_depth_max) return LETHE_ERR(errc::too_large);
    }
    applier work(slots);
    for (const step& one : steps_) {
        const result<> done = work.run(one);
        if (done.has_error()) return done.error();
    }
    return {};
}

}  // namespace lethe::session
