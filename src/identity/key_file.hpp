// Keys from a file that the operator chose. Reads block: at start, on reload and in commands only.
#pragma once

#include "identity/options.hpp"
#include "token/key_set.hpp"

#include <memory>
#include <string>
#include <vector>

namespace lethe::identity {

struct key_file {
    std::shared_ptr<const token::key_set> keys;  // null when there is a problem
    std::string problem;                // what is wrong and what to do, for a person; "" if fine
    std::vector<std::string> warnings;  // about keys that were left out, or that lie open
};

// At least one key is usable, or there is a problem.
[[nodiscard]] key_file read_key_file(const std::string& path);
// Also that at least one key is for one of the issuer's algorithms.
[[nodiscard]] key_file read_issuer_keys(const issuer_options& options);

// "key 2 ('old'): it is too weak" for each key that was left out.
[[nodiscard]] std::vector<std::string> explain_skipped(const token::key_set& keys);

}  // namespace lethe::identity
