#include "store/tools/copy_file.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "store/open.hpp"

#include <boost/json/object.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

namespace lethe::store::tools {
namespace {

namespace bj = boost::json;

constexpr const char* what_it_is = "lethe store copy, version 1";

struct count_name {
    const char* name;
    std::uint64_t copy_state::* member;
};
constexpr count_name counts[] = {
    {"total", &copy_state::total},   {"looked_at", &copy_state::looked_at},
    {"copied", &copy_state::copied}, {"present", &copy_state::present},
    {"gone", &copy_state::gone},     {"refused", &copy_state::refused},
};

bool read_count(const bj::object& from, const char* name, std::uint64_t& to) {
    const bj::value* const found = from.if_contains(name);
    if (found == nullptr) return false;
    boost::system::error_code failed;
    to = found->to_number<std::uint64_t>(failed);
    return !failed;
}

// nullopt for what save_copy does not write.
std::optional<copy_state> read_state(const bj::object& from) {
    copy_state out;
    const bj::value* const cursor = from.if_contains("cursor");
    const bj::value* const complete = from.if_contains("complete");
    if (cursor == nullptr || !cursor->is_string() || complete == nullptr || !complete->is_bool())
        return std::nullopt;
    result<std::string> bytes = from_hex(cursor->get_string());
    if (bytes.has_error()) return std::nullopt;
    out.cursor = *std::move(bytes);
    out.complete = complete->get_bool();
    for (const count_name& one : counts)
        if (!read_count(from, one.name, out.*one.member)) return std::nullopt;
    return out;
}

std::string last_failure() {
    return std::generic_category().message(errno);
}

bool write_all(int file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(file, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return ::fsync(file) == 0;
}

}  // namespace

std::string copy_id(std::string_view from_url, std::string_view to_url, bool moving) {
    return to_hex(
        sha256_of_parts({shown_url(from_url), shown_url(to_url), moving ? "move" : "copy"}));
}

result<std::optional<copy_state>> load_copy(const std::string& file, const std::string& id,
                                            std::string& why) {
    std::error_code failed;
    if (!std::filesystem::exists(file, failed) && !failed) return std::optional<copy_state>();
    std::ifstream in(file, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    if (!in || failed) {
        why = "the state file '" + file + "' cannot be read";
        return LETHE_ERR(errc::unavailable);
    }
    const auto parsed = json::parse_object(std::move(text).str());
    const auto is = [&](const char* name, std::string_view value) {
        const bj::value* const found = parsed->if_contains(name);
        return found != nullptr && found->is_string() && found->get_string() == value;
    };
    if (parsed.has_error() || !is("what", what_it_is)) {
        why = "'" + file + "' is not the state of a copy: remove it, or choose another --state";
        return LETHE_ERR(errc::corrupt);
    }
    if (!is("copy", id)) {
        why = "'" + file +
              "' is the state of another copy: choose another --state, or remove it to begin anew";
        return LETHE_ERR(errc::malformed);
    }
    std::optional<copy_state> state = read_state(*parsed);
    if (!state) {
        why = "'" + file + "' is damaged: remove it to begin anew";
        return LETHE_ERR(errc::corrupt);
    }
    return state;
}

result<> save_copy(const std::string& file, const std::string& id, const copy_state& state,
                   std::string& why) {
    bj::object out{{"what", what_it_is},
                   {"copy", id},
                   {"cursor", to_hex(state.cursor)},
                   {"complete", state.complete}};
    for (const count_name& one : counts) out[one.name] = state.*one.member;
    const std::string fresh = file + ".new";
    const int opened = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool done = opened >= 0 && write_all(opened, json::to_text(out) + '\n');
    if (opened >= 0) done = ::close(opened) == 0 && done;
    if (done && std::rename(fresh.c_str(), file.c_str()) == 0) return {};
    why = "the state file '" + file + "' cannot be written: " + last_failure();
    return LETHE_ERR(errc::unavailable);
}

}  // namespace lethe::store::tools
