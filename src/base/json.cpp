#include "base/json.hpp"

#include "base/bytes.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/serialize.hpp>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

namespace lethe::json {
namespace {

namespace bj = boost::json;

enum class errc { malformed = 1, duplicate_member, too_large, not_an_object };

const boost::system::error_category& category() {
    static constexpr error_row rows[] = {
        {int(errc::malformed), "not valid JSON", condition::malformed},
        {int(errc::duplicate_member), "a JSON object has the same member twice",
         condition::malformed},
        {int(errc::too_large), "the JSON text is larger or deeper than allowed",
         condition::too_large},
        {int(errc::not_an_object), "the JSON text is not an object", condition::malformed},
    };
    static const table_category instance{"lethe.json", rows};
    return instance;
}

error_code make_error_code(errc e) {
    return {static_cast<int>(e), category()};
}

// Builds the value itself, because bj::parser cannot be told to refuse a duplicate.
class handler {
 public:
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

    bj::value root;

    bool on_document_begin(bj::error_code&) { return true; }
    bool on_document_end(bj::error_code&) { return true; }
    bool on_object_begin(bj::error_code&) { return open(bj::object{}); }
    bool on_object_end(std::size_t, bj::error_code&) { return close(); }
    bool on_array_begin(bj::error_code&) { return open(bj::array{}); }
    bool on_array_end(std::size_t, bj::error_code&) { return close(); }
    bool on_key_part(bj::string_view part, std::size_t, bj::error_code&) {
        key_.append(part.data(), part.size());
        return true;
    }
    bool on_key(bj::string_view part, std::size_t, bj::error_code& ec) {
        key_.append(part.data(), part.size());
        if (open_.back().value.as_object().contains(key_)) {
            ec = make_error_code(errc::duplicate_member);
            return false;
        }
        open_.back().key = std::move(key_);
        key_.clear();
        return true;
    }
    bool on_string_part(bj::string_view part, std::size_t, bj::error_code&) {
        text_.append(part.data(), part.size());
        return true;
    }
    bool on_string(bj::string_view part, std::size_t, bj::error_code&) {
        text_.append(part.data(), part.size());
        const bool ok = add(bj::value(bj::string_view(text_)));
        text_.clear();
        return ok;
    }
    bool on_number_part(bj::string_view part, bj::error_code&) {
        text_.append(part.data(), part.size());
        return true;
    }
    bool on_int64(std::int64_t v, bj::string_view, bj::error_code&) {
        text_.clear();
        return add(v);
    }
    bool on_uint64(std::uint64_t v, bj::string_view, bj::error_code&) {
        text_.clear();
        return add(v);
    }
    bool on_double(double, bj::string_view part, bj::error_code& ec) {
        // Boost.JSON's own double may be an ulp beside the nearest one.
        text_.append(part.data(), part.size());
        double v = 0;
        const auto [end, bad] = std::from_chars(text_.data(), text_.data() + text_.size(), v);
        const bool whole = end == text_.data() + text_.size();
        // A number too small for a double is 0; 1e999 is grammatical, but nothing that could be
        // written again.
        if (bad == std::errc::result_out_of_range && whole) v = std::strtod(text_.c_str(), nullptr);
        if (!whole || !std::isfinite(v)) ec = make_error_code(errc::malformed);
        text_.clear();
        return !ec && add(v);
    }
    bool on_bool(bool v, bj::error_code&) { return add(v); }
    bool on_null(bj::error_code&) { return add(nullptr); }
    bool on_comment_part(bj::string_view, bj::error_code&) { return true; }
    bool on_comment(bj::string_view, bj::error_code&) { return true; }

 private:
    struct level {
        bj::value value;
        std::string key;  // of the member being read, when value is an object
    };

    bool open(bj::value v) {
        open_.push_back({std::move(v), {}});
        return true;
    }
    bool close() {
        bj::value done = std::move(open_.back().value);
        open_.pop_back();
        return add(std::move(done));
    }
    bool add(bj::value v) {
        if (open_.empty())
            root = std::move(v);
        else if (level& parent = open_.back(); parent.value.is_object())
            parent.value.as_object().emplace(parent.key, std::move(v));
        else
            parent.value.as_array().push_back(std::move(v));
        return true;
    }

    std::vector<level> open_;
    std::string key_;
    std::string text_;
};

}  // namespace

result<bj::value> parse(std::string_view text, limits bounds) {
    if (text.size() > bounds.bytes_max) return LETHE_ERR(errc::too_large);
    if (!is_utf8(text)) return LETHE_ERR(errc::malformed);
    bj::parse_options options;
    options.max_depth = bounds.depth_max;
    bj::basic_parser<handler> parser(options);
    bj::error_code error;
    const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
    if (error == bj::error::too_deep) return LETHE_ERR(errc::too_large);
    if (error && error.category() == category()) return error;
    if (error || used != text.size() || !parser.done()) return LETHE_ERR(errc::malformed);
    return std::move(parser.handler().root);
}

result<bj::object> parse_object(std::string_view text, limits bounds) {
    LETHE_TRY(bj::value value, parse(text, bounds));
    if (!value.is_object()) return LETHE_ERR(errc::not_an_object);
    return std::move(value.get_object());
}

std::string to_text(const bj::value& value) {
    return bj::serialize(value);
}

}  // namespace lethe::json
