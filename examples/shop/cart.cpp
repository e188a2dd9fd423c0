#include "cart.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <map>
#include <random>

namespace json = boost::json;

namespace shop {
namespace {

constexpr std::string_view items_path = "/cart/items";

// Need not be secret, only different from the other lines of one cart.
std::string make_line_id() {
    static thread_local std::mt19937 random{std::random_device{}()};
    constexpr std::string_view digits = "0123456789abcdef";
    std::string id;
    for (int i = 0; i < 8; ++i) id += digits[random() % digits.size()];
    return id;
}

bool is_line(const json::value& v) {
    const json::object* const line = v.if_object();
    return line != nullptr && line->contains("sku") && line->at("sku").is_string() &&
           line->contains("qty") && line->at("qty").is_int64();
}

}  // namespace

std::optional<cart> cart::read(const lethe::request& r) {
    const boost::system::result<std::string> session = r.session();
    if (session.has_error()) return std::nullopt;
    boost::system::error_code error;
    const json::value root = json::parse(*session, error);
    if (error || !root.is_object()) return std::nullopt;
    cart found;
    const json::value* const slot = root.as_object().if_contains("cart");
    if (slot == nullptr || !slot->is_object()) return found;
    const json::value* const items = slot->as_object().if_contains("items");
    if (items == nullptr) return found;
    if (!items->is_array()) return std::nullopt;
    for (const json::value& one : items->as_array()) {
        if (!is_line(one)) return std::nullopt;
        found.lines_.push_back(one);
    }
    return found;
}

json::array cart::summed() const {
    std::map<std::string, std::int64_t> by_sku;
    for (const json::value& line : lines_)
        by_sku[std::string(line.at("sku").as_string())] += line.at("qty").as_int64();
    json::array out;
    for (const auto& [sku, quantity] : by_sku)
        out.push_back(json::object{{"sku", sku}, {"qty", quantity}});
    return out;
}

lethe::session_change cart::taken_out() const {
    lethe::session_change change;
    for (const json::value& line : lines_)
        change.set_remove(items_path, lethe::raw_json{json::serialize(line)});
    return change;
}

lethe::session_change put_into_cart(std::string_view sku, int quantity) {
    const json::object line{{"id", make_line_id()}, {"qty", quantity}, {"sku", sku}};
    lethe::session_change change;
    change.set_add(items_path, lethe::raw_json{json::serialize(line)});
    return change;
}

}  // namespace shop
