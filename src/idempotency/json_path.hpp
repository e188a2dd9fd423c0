// As much of JSONPath (RFC 9535) as says which parts of a body make a request the same: names,
// indexes and wildcards, no filters, slices or descendants.
//
//     $.order.id    $['order']['id']    $.items[*].sku    $.items[0]
#pragma once

#include "base/error.hpp"

#include <boost/json/value.hpp>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lethe::idempotency {

class json_path {
 public:
    // errc::path_malformed.
    [[nodiscard]] static result<json_path> parse(std::string_view text);

    // What it selects, in the order of the document (wildcards: members by name).
    [[nodiscard]] std::vector<const boost::json::value*> select(
        const boost::json::value& root) const;

 private:
    struct all {};
    using step = std::variant<std::string, std::size_t, all>;
    std::vector<step> steps_;
};

}  // namespace lethe::idempotency
