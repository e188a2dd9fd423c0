#include "gateway/config/mistake.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace lethe::gateway::config {
namespace {

// Keys and values come from the file: no control byte of theirs reaches a terminal, and no long one
// hides the rest.
std::string fit_for_line(std::string_view text, std::size_t bytes_max) {
    std::size_t end = std::min(text.size(), bytes_max);
    // Not in the middle of a character.
    while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
        --end;
    std::string out(text.substr(0, end));
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    return end < text.size() ? out + "…" : out;
}

}  // namespace

std::string to_text(const mistake& one) {
    std::string text = one.file;
    if (one.at.line > 0)
        text += ":" + std::to_string(one.at.line) + ":" + std::to_string(one.at.column);
    text += ": ";
    if (!one.path.empty()) text += fit_for_line(one.path, 200) + ": ";
    text += fit_for_line(one.what, 500);
    if (!one.expected.empty()) text += ", " + fit_for_line(one.expected, 500);
    return text;
}

std::string to_text(const std::vector<mistake>& all) {
    std::string text;
    for (const mistake& one : all) text += to_text(one) + "\n";
    return text;
}

}  // namespace lethe::gateway::config
