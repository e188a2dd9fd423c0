#include "gateway/config/document.hpp"

#include "base/bytes.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <sstream>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace lethe::gateway::config {

const member* node::find(std::string_view key) const noexcept {
    const auto found =
        std::find_if(members.begin(), members.end(), [&](const member& m) { return m.key == key; });
    return found == members.end() ? nullptr : &*found;
}

namespace {

mark to_mark(const YAML::Mark& at) {
    return at.is_null() ? mark{} : mark{at.line + 1, at.column + 1};
}

bool is_name_byte(char c, bool first) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    return letter || (!first && c >= '0' && c <= '9');
}

bool is_variable_name(std::string_view name) {
    if (name.empty() || !is_name_byte(name.front(), true)) return false;
    return std::all_of(name.begin(), name.end(), [](char c) { return is_name_byte(c, false); });
}

// Makes the tree from the parser's events. After the first violation of a bound the rest of the
// events is ignored.
class builder final : public YAML::EventHandler {
 public:
    builder(const std::string& file, const environment& variables, std::vector<mistake>& mistakes)
        : file_(file), variables_(variables), mistakes_(mistakes) {}

    // Where the last value in quotes starts, in bytes from the start of the text.
    std::optional<std::size_t> last_quoted() const noexcept { return last_quoted_; }

    node_ptr take_root() { return overflown_ ? nullptr : std::move(root_); }

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& at, YAML::anchor_t anchor) override {
        if (overflown_) return;
        auto made = std::make_shared<node>();
        made->at = place_of_null(to_mark(at));
        put(std::move(made), anchor);
    }

    void OnAlias(const YAML::Mark& at, YAML::anchor_t anchor) override {
        if (overflown_) return;
        const auto found = anchors_.find(anchor);
        if (found != anchors_.end()) return put(found->second, 0);
        fail(to_mark(at), "the alias stands inside of what it refers to",
             "expected an alias to something complete");
        auto made = std::make_shared<node>();
        made->at = to_mark(at);
        made->bad = true;
        put(std::move(made), 0);
    }

    void OnScalar(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        if (overflown_) return;
        auto made = std::make_shared<node>();
        made->at = to_mark(at);
        if (tag == "!") last_quoted_ = static_cast<std::size_t>(at.pos);
        made->quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
        if (!made->quoted && tag != "?" && !tag.empty()) refuse_tag(*made, tag);
        made->kind = node_kind::scalar;
        made->written = value;
        if (!made->quoted && (value.empty() || value == "~" || value == "null")) {
            made->kind = node_kind::null;
        } else if (!expects_key()) {
            replace_variables(*made);
        } else {
            made->text = value;
        }
        put(std::move(made), anchor);
    }

    void OnSequenceStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open(node_kind::sequence, to_mark(at), tag, anchor);
    }
    void OnSequenceEnd() override { close(); }

    void OnMapStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open(node_kind::map, to_mark(at), tag, anchor);
    }
    void OnMapEnd() override { close(); }

 private:
    struct level {
        std::shared_ptr<node> made;
        YAML::anchor_t anchor = 0;
        bool has_key = false;
        bool bad_key = false;
        std::string key;
        mark key_at;
        std::vector<std::pair<mark, node_ptr>> merges;
        std::unordered_set<std::string> keys;
    };

    void fail(mark at, std::string what, std::string expected) {
        if (mistakes_.size() <= mistakes_max)
            mistakes_.push_back({file_, at, path(), std::move(what), std::move(expected)});
    }

    void overflow(mark at, std::string what, std::string expected) {
        fail(at, std::move(what), std::move(expected));
        overflown_ = true;
        levels_.clear();
        anchors_.clear();
        root_.reset();
    }

    std::string path() const {
        std::string text;
        for (const level& one : levels_) {
            if (one.made->kind == node_kind::sequence) {
                text += "[" + std::to_string(one.made->items.size()) + "]";
            } else if (one.has_key && !one.bad_key) {
                text += (text.empty() ? "" : ".") + one.key;
            }
        }
        return text;
    }

    bool expects_key() const {
        return !levels_.empty() && levels_.back().made->kind == node_kind::map &&
               !levels_.back().has_key;
    }

    // yaml-cpp places an absent value where the next token stands; its key says more.
    mark place_of_null(mark at) const {
        const bool is_value = !levels_.empty() && levels_.back().has_key;
        return is_value ? levels_.back().key_at : at;
    }

    void refuse_tag(node& made, const std::string& tag) {
        fail(made.at, "has the tag '" + tag + "'", "expected a plain value without a tag");
        made.bad = true;
    }

    void open(node_kind kind, mark at, const std::string& tag, YAML::anchor_t anchor) {
        if (overflown_) return;
        if (levels_.size() >= document_depth_max)
            return overflow(at,
                            "is nested more than " + std::to_string(document_depth_max) + " deep",
                            "expected less nesting");
        level fresh;
        fresh.made = std::make_shared<node>();
        fresh.made->kind = kind;
        fresh.made->at = at;
        fresh.anchor = anchor;
        if (!tag.empty() && tag != "?" && tag != "!") refuse_tag(*fresh.made, tag);
        levels_.push_back(std::move(fresh));
    }

    void close() {
        if (overflown_) return;
        level done = std::move(levels_.back());
        levels_.pop_back();
        for (const auto& [at, source] : done.merges) merge(done, at, *source);
        if (overflown_) return;
        put(std::move(done.made), done.anchor);
    }

    // `<<`: what the map does not say itself is taken from the other map.
    void merge(level& into, mark at, const node& source) {
        if (source.bad || overflown_) return;
        if (source.kind == node_kind::sequence) {
            for (const node_ptr& one : source.items) merge(into, at, *one);
            return;
        }
        if (source.kind != node_kind::map)
            return fail(at, "'<<' refers to something that is not a map",
                        "expected an alias to a map");
        for (const member& one : source.members) {
            if (!into.keys.insert(one.key).second) continue;
            into.made->weight += one.value->weight;
            into.made->members.push_back(one);
        }
    }

    void put(node_ptr made, YAML::anchor_t anchor) {
        if (anchor != 0) anchors_[anchor] = made;
        if (levels_.empty()) {
            root_ = std::move(made);
            return;
        }
        if (expects_key()) return put_key(*made);
        level& top = levels_.back();
        top.made->weight += made->weight;
        nodes_ += made->weight;
        // A node counts once for each level it stands in: cheap, and deep nesting is bounded
        // anyway.
        if (nodes_ > document_nodes_max * 4 || top.made->weight > document_nodes_max)
            return overflow(made->at,
                            "more than " + std::to_string(document_nodes_max) +
                                " values, those behind aliases counted again",
                            "expected a smaller configuration");
        if (top.made->kind == node_kind::sequence) {
            top.made->items.push_back(std::move(made));
            return;
        }
        top.has_key = false;
        if (top.bad_key) return;
        if (top.key == "<<") {
            top.merges.emplace_back(top.key_at, std::move(made));
        } else {
            top.made->members.push_back({top.key, top.key_at, std::move(made)});
        }
    }

    void put_key(const node& key) {
        level& top = levels_.back();
        top.bad_key = true;
        if (key.kind != node_kind::scalar) {
            fail(key.at, "has a key that is not text", "expected a name");
        } else if (!key.bad && !top.keys.insert(key.text).second && key.text != "<<") {
            fail(key.at, "the key '" + key.text + "' stands here twice",
                 "expected each key once in a map");
        } else {
            top.bad_key = key.bad;
        }
        top.has_key = true;
        top.key = key.text;
        top.key_at = key.at;
    }

    // "${NAME}" is the value of an environment variable, "$${" a "${" as it stands.
    void replace_variables(node& made) {
        std::string_view rest = made.written;
        for (std::size_t at = rest.find("${"); at != rest.npos; at = rest.find("${")) {
            if (at > 0 && rest[at - 1] == '$') {
                made.text += rest.substr(0, at - 1);
                made.text += "${";
                rest.remove_prefix(at + 2);
                continue;
            }
            const std::size_t end = rest.find('}', at);
            const std::string_view name =
                rest.substr(at + 2, end == rest.npos ? end : end - at - 2);
            if (end == rest.npos || !is_variable_name(name))
                return refuse_variable(made,
                                       "has a '${' without the name of an environment variable",
                                       "expected ${NAME}, or $${ for the two characters");
            const std::optional<std::string> found = variables_(name);
            if (!found)
                return refuse_variable(
                    made, "the environment variable " + std::string(name) + " is not set",
                    "expected it to be set where lethe starts");
            if (!is_utf8(*found) || found->size() > document_bytes_max)
                return refuse_variable(
                    made, "the environment variable " + std::string(name) + " is not text",
                    "expected UTF-8 of at most 1 MiB");
            made.text += rest.substr(0, at);
            made.text += *found;
            rest.remove_prefix(end + 1);
        }
        made.text += rest;
    }

    void refuse_variable(node& made, std::string what, std::string expected) {
        fail(made.at, std::move(what), std::move(expected));
        made.bad = true;
    }

    const std::string& file_;
    const environment& variables_;
    std::vector<mistake>& mistakes_;
    std::vector<level> levels_;
    std::unordered_map<YAML::anchor_t, node_ptr> anchors_;
    node_ptr root_;
    std::size_t nodes_ = 0;
    std::optional<std::size_t> last_quoted_;
    bool overflown_ = false;
};

// yaml-cpp takes some control bytes for the end of the text, and would read half of a file in
// silence.
std::optional<mark> find_control_byte(std::string_view text) {
    mark at{1, 1};
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f) return at;
        if (c == '\n') {
            ++at.line;
            at.column = 1;
        } else {
            ++at.column;
        }
    }
    return std::nullopt;
}

// yaml-cpp takes the end of the text for the end of quotes: a file that was cut off there would
// pass. `start` is where the quoted value begins, perhaps with an anchor before the quotes.
bool is_closed(std::string_view text, std::size_t start) {
    while (start < text.size() && text[start] == '&') {
        start = std::min(text.find_first_of(" \t\r\n", start), text.size());
        start = std::min(text.find_first_not_of(" \t\r\n", start), text.size());
    }
    if (start >= text.size() || (text[start] != '"' && text[start] != '\'')) return true;
    const char quotes = text[start];
    for (std::size_t i = start + 1; i < text.size(); ++i) {
        if (quotes == '"' && text[i] == '\\') {
            ++i;
        } else if (text[i] == quotes) {
            const bool is_doubled = quotes == '\'' && i + 1 < text.size() && text[i + 1] == quotes;
            if (!is_doubled) return true;
            ++i;
        }
    }
    return false;
}

mark mark_of(std::string_view text, std::size_t offset) {
    const std::string_view before = text.substr(0, offset);
    const std::size_t line_start = before.rfind('\n') + 1;  // 0 without one
    const auto lines = std::count(before.begin(), before.end(), '\n');
    return {static_cast<int>(lines) + 1, static_cast<int>(offset - line_start) + 1};
}

}  // namespace

node_ptr parse_document(const std::string& text, const std::string& file,
                        const environment& variables, std::vector<mistake>& mistakes) {
    const auto fail = [&](mark at, std::string what, std::string expected) -> node_ptr {
        mistakes.push_back({file, at, "", std::move(what), std::move(expected)});
        return nullptr;
    };
    if (text.size() > document_bytes_max)
        return fail({}, "is larger than 1 MiB", "expected a smaller configuration");
    if (!is_utf8(text)) return fail({}, "is not UTF-8", "expected YAML in UTF-8");
    if (const auto at = find_control_byte(text))
        return fail(*at, "has a control character", "expected YAML, which is text");
    builder events(file, variables, mistakes);
    try {
        std::istringstream stream(text);
        YAML::Parser parser(stream);
        if (!parser.HandleNextDocument(events))
            return fail({}, "is empty",
                        "expected a configuration; 'lethe config schema' shows its shape");
        node_ptr root = events.take_root();
        if (!root) return nullptr;
        // yaml-cpp counts from behind a byte order mark.
        const std::string_view counted =
            std::string_view(text).substr(text.starts_with("\xef\xbb\xbf") ? 3 : 0);
        if (const auto at = events.last_quoted(); at && !is_closed(counted, *at))
            return fail(mark_of(counted, *at), "opens quotes that are not closed",
                        "expected them to be closed");
        builder more(file, variables, mistakes);
        if (parser.HandleNextDocument(more))
            return fail({}, "has more than one YAML document", "expected one");
        return root;
    } catch (const YAML::Exception& thrown) {
        return fail(to_mark(thrown.mark), "is not YAML (" + thrown.msg + ")",
                    "expected valid YAML");
    } catch (const std::exception& thrown) {
        return fail({}, std::string("cannot be read as YAML (") + thrown.what() + ")",
                    "expected valid YAML");
    }
}

}  // namespace lethe::gateway::config
