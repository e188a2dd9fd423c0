#include "hostile/corpus.hpp"

#include "support/source_tree.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

namespace lethe::test::hostile {
namespace {

[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error(what);
}

std::string unescape(std::string_view text);

// `{text*count}`: what stands behind "\".
std::string repeated(std::string_view inside) {
    const std::size_t star = inside.rfind('*');
    if (star == std::string_view::npos) fail("a repetition is \\{text*count}");
    const std::string one = unescape(inside.substr(0, star));
    std::string out;
    const int count = std::stoi(std::string(inside.substr(star + 1)));
    for (int i = 0; i < count; ++i) out += one;
    return out;
}

std::string unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            out += text[i];
            continue;
        }
        if (++i == text.size()) fail("a backslash at the end of a line");
        switch (text[i]) {
            case 'r': out += '\r'; break;
            case 'n': out += '\n'; break;
            case 't': out += '\t'; break;
            case 's': out += ' '; break;
            case '0': out += '\0'; break;
            case '\\': out += '\\'; break;
            case 'x':
                out +=
                    static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
                i += 2;
                break;
            case '{': {
                const std::size_t end = text.find('}', i);
                if (end == std::string_view::npos) fail("a repetition without its end");
                out += repeated(text.substr(i + 1, end - i - 1));
                i = end;
                break;
            }
            default: fail(std::string("no such escape: \\") + text[i]);
        }
    }
    return out;
}

// The next word; `text` is left behind it and the spaces that follow.
std::string take_word(std::string_view& text) {
    const std::size_t end = std::min(text.find(' '), text.size());
    std::string out(text.substr(0, end));
    text.remove_prefix(end);
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    return out;
}

// One file. A case is under way until the next begins.
class file_reader {
 public:
    file_reader(side which, std::string topic, std::vector<hostile_case>& out)
        : side_(which), topic_(std::move(topic)), out_(out) {}

    void take(std::string_view line) {
        if (line.empty() || line.front() == '#') return;
        if (line.starts_with("| ") || line == "|")
            return add(std::string(line.substr(std::min<std::size_t>(line.size(), 2))) + "\\r\\n");
        if (line.starts_with("> ")) return add(std::string(line.substr(2)));
        const std::string word = take_word(line);
        if (word == "==" || word == "template") {
            finish();
            current_ = {};
            current_.name = std::string(line);
            text_.clear();
            is_template_ = word == "template";
            under_way_ = true;
            decided_ = is_template_;
        } else if (word == "row") {
            if (!is_template_) fail("a row without a template");
            add_row(line);
        } else if (word == "why") {
            current_.why += (current_.why.empty() ? "" : " ") + std::string(line);
        } else {
            take_expectation(word, line);
        }
    }
    void finish() {
        if (!under_way_ || is_template_) return;
        if (!decided_) fail("case '" + current_.name + "' does not say what comes of it");
        current_.bytes = unescape(text_);
        put(current_);
    }

 private:
    void add(const std::string& text) {
        if (!under_way_) fail("bytes outside a case");
        text_ += text;
    }
    void put(hostile_case one) {
        if (one.why.empty()) fail("case '" + one.name + "' has no reason");
        one.name = topic_ + "/" + one.name;
        out_.push_back(std::move(one));
    }
    void take_expectation(const std::string& word, std::string_view line) {
        if (word == "forward" && side_ == side::requests) {
            message one;
            one.method = take_word(line);
            one.target = unescape(take_word(line));
            one.body = unescape(line);
            current_.forwarded.push_back(std::move(one));
        } else if (word == "then") {
            decide(current_, std::string(line));
        } else if (word == "method") {
            current_.method = std::string(line);
        } else if (word == "end") {
            current_.ends = true;
        } else if (word == "answer" && side_ == side::answers) {
            current_.status = std::stoi(take_word(line));
            current_.body = unescape(line);
            decided_ = true;
        } else {
            fail("no such word here: " + word);
        }
    }
    void decide(hostile_case& one, const std::string& how) {
        decided_ = true;
        if (how == "open" || how == "ok") {
            one.then = ending::open;
        } else if (how == "close") {
            one.then = ending::closed;
        } else if (how == "more") {
            one.then = ending::more;
        } else if (how == "cut") {
            one.then = ending::cut;
        } else {
            one.then = ending::refused;
            one.status = std::stoi(how);
        }
    }
    // row NAME OUTCOME VALUE
    void add_row(std::string_view line) {
        hostile_case one = current_;
        one.name = take_word(line);
        decide(one, take_word(line));
        if (one.then == ending::refused || one.then == ending::more) one.forwarded.clear();
        std::string text = text_;
        const std::size_t at = text.find('$');
        if (at == std::string::npos) fail("the template has no $");
        one.bytes = unescape(text.replace(at, 1, line));
        put(std::move(one));
    }

    side side_;
    std::string topic_;
    std::vector<hostile_case>& out_;
    hostile_case current_;
    std::string text_;  // of the case's bytes, not yet unescaped
    bool under_way_ = false;
    bool is_template_ = false;
    bool decided_ = false;
};

}  // namespace

std::vector<hostile_case> read_corpus(side which) {
    const auto folder =
        source_tree() / "tests/hostile" / (which == side::requests ? "requests" : "answers");
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    std::vector<hostile_case> out;
    for (const auto& file : files) {
        file_reader reader(which, file.stem().string(), out);
        std::ifstream in(file, std::ios::binary);
        int number = 0;
        try {
            for (std::string line; std::getline(in, line);) {
                ++number;
                reader.take(line);
            }
            reader.finish();
        } catch (const std::exception& e) {
            fail(file.string() + ":" + std::to_string(number) + ": " + e.what());
        }
    }
    std::set<std::string> names;
    for (const hostile_case& one : out)
        if (!names.insert(one.name).second) fail("two cases are called " + one.name);
    return out;
}

std::string printable(std::string_view bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (const char c : bytes.substr(0, 2000)) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\r')
            out += "\\r";
        else if (c == '\n')
            out += "\\n\n  ";
        else if (byte < 0x20 || byte >= 0x7f)
            out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
        else
            out += c;
    }
    return out;
}

std::string to_text(const std::vector<message>& all) {
    std::string out = std::to_string(all.size()) + " requests";
    for (const message& one : all)
        out += "; " + one.method + " " + one.target.substr(0, 60) + " [" +
               std::to_string(one.body.size()) + "] " + printable(one.body.substr(0, 60));
    return out;
}

std::string with_probe(const hostile_case& one) {
    return one.then == ending::more ? one.bytes : one.bytes + std::string(probe);
}

std::vector<message> expected_upstream(const hostile_case& one) {
    std::vector<message> out = one.forwarded;
    if (one.then == ending::open) out.push_back({"GET", std::string(probe_target), ""});
    return out;
}

}  // namespace lethe::test::hostile
