#include "gateway/config/mistake.hpp"

namespace lethe::gateway::config {

std::string to_text(const mistake& one) {
    std::string text = one.file;
    if (one.at.line > 0)
        text += ":" + std::to_string(one.at.line) + ":" + std::to_string(one.at.column);
    text += ": ";
    if (!one.path.empty()) text += one.path + ": ";
    text += one.what;
    if (!one.expected.empty()) text += ", " + one.expected;
    return text;
}

std::string to_text(const std::vector<mistake>& all) {
    std::string text;
    for (const mistake& one : all) text += to_text(one) + "\n";
    return text;
}

}  // namespace lethe::gateway::config
