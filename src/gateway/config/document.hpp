// YAML as a tree of nodes that know where they stand, read within bounds.
//
// Built on yaml-cpp's events rather than on its nodes, which keep the first of two equal keys in
// silence and expand what aliases refer to without a limit. Anchors, aliases and merge keys (`<<`)
// work; duplicate keys, more than one document and tags other than !!str are mistakes.
#pragma once

#include "gateway/config/mistake.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::gateway::config {

inline constexpr std::size_t document_bytes_max = 1024 * 1024;
inline constexpr std::size_t document_depth_max = 32;
// With what aliases refer to counted again for each alias.
inline constexpr std::size_t document_nodes_max = 100'000;

enum class node_kind : std::uint8_t { null, scalar, sequence, map };

struct node;
// Shared where an alias refers to it.
using node_ptr = std::shared_ptr<const node>;

struct member {
    std::string key;
    mark key_at;
    node_ptr value;
};

struct node {
    node_kind kind = node_kind::null;
    mark at;
    std::string text;             // scalar: with ${NAME} replaced
    std::string written;          // scalar: as it stands in the file, fit for a message
    bool quoted = false;          // scalar: "5" rather than 5
    bool bad = false;             // a mistake was reported already
    std::vector<member> members;  // map, in order, merged ones last
    std::vector<node_ptr> items;  // sequence
    std::size_t weight = 1;       // nodes in it, itself included

    [[nodiscard]] const member* find(std::string_view key) const noexcept;
};

// The value of ${NAME}; nullopt when it is not set.
using environment = std::function<std::optional<std::string>(std::string_view name)>;

// Null, with at least one mistake, when the text is not YAML or too much of it. Mistakes in single
// nodes are reported as well, and the tree is given all the same so that the rest can be checked.
[[nodiscard]] node_ptr parse_document(const std::string& text, const std::string& file,
                                      const environment& variables, std::vector<mistake>& mistakes);

}  // namespace lethe::gateway::config
