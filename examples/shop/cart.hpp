// A cart as it lies in the session: {"cart": {"items": [{"id": "9f3a61c2", "qty": 2, "sku":
// "tea"}]}}.
//
// Each line has an id of its own. Putting a line in and taking it out commute with every other
// change of the cart, so two requests at once never conflict, and an order takes out just what it
// ordered.
#pragma once

#include <boost/json/array.hpp>

#include <cstddef>
#include <cstdint>
#include <lethe/lethe.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shop {

// So many that cart and change fit into lethe's fields (4 and 8 KiB).
inline constexpr std::size_t cart_lines_max = 40;

struct cart_line {
    std::string id;
    std::int64_t quantity = 0;
    std::string sku;

    static constexpr auto json_members =
        lethe::members("id", &cart_line::id, "qty", &cart_line::quantity, "sku", &cart_line::sku);
};

class cart {
 public:
    // nullopt: lethe handed over something that is no cart.
    [[nodiscard]] static std::optional<cart> read(const lethe::request& r);

    [[nodiscard]] std::size_t lines() const noexcept { return lines_.size(); }
    // What is in it, one entry an article: [{"sku": "tea", "qty": 2}].
    [[nodiscard]] boost::json::array summed() const;
    // The change that takes out what is in it now.
    [[nodiscard]] lethe::session_change taken_out() const;

 private:
    std::vector<cart_line> lines_;
};

// The change that puts `quantity` of an article into a cart.
[[nodiscard]] lethe::session_change put_into_cart(std::string_view sku, int quantity);

}  // namespace shop
