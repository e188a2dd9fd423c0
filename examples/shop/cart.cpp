#include "cart.hpp"

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

}  // namespace

std::optional<cart> cart::read(const lethe::request& r) {
    auto lines = r.session().slot("cart").get_or<std::vector<cart_line>>("/items", {});
    if (lines.has_error()) return std::nullopt;
    cart found;
    found.lines_ = *std::move(lines);
    return found;
}

json::array cart::summed() const {
    std::map<std::string, std::int64_t> by_sku;
    for (const cart_line& line : lines_) by_sku[line.sku] += line.quantity;
    json::array out;
    for (const auto& [sku, quantity] : by_sku)
        out.push_back(json::object{{"sku", sku}, {"qty", quantity}});
    return out;
}

lethe::session_change cart::taken_out() const {
    lethe::session_change change;
    for (const cart_line& line : lines_) change.set_remove(items_path, line);
    return change;
}

lethe::session_change put_into_cart(std::string_view sku, int quantity) {
    return lethe::session_change().set_add(items_path,
                                           cart_line{make_line_id(), quantity, std::string(sku)});
}

}  // namespace shop
