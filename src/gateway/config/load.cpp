#include "gateway/config/load.hpp"

#include "base/descriptor.hpp"
#include "gateway/config/checks.hpp"
#include "gateway/config/tables.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <tuple>

namespace lethe::gateway::config {
namespace {

std::string make_absolute(const std::string& directory) {
    std::error_code failed;
    const std::filesystem::path out = std::filesystem::absolute(directory, failed);
    return failed ? directory : out.lexically_normal().string();
}

// The file's text, or why it cannot be read. One byte above the limit is read, so that the parser
// sees that it is too long.
std::string read_file(const std::string& file, std::string& why) {
    const auto fail = [&](int error) {
        why = std::error_code(error, std::generic_category()).message();
        return std::string();
    };
    const descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!opened.is_open()) return fail(errno);
    struct stat status{};
    if (::fstat(opened.number(), &status) != 0) return fail(errno);
    if (S_ISDIR(status.st_mode)) return fail(EISDIR);
    std::string out;
    char piece[16 * 1024];
    while (out.size() <= document_bytes_max) {
        const ssize_t got = ::read(opened.number(), piece, sizeof piece);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail(errno);
        if (got == 0) break;
        out.append(piece, static_cast<std::size_t>(got));
    }
    return out;
}

void take_defaults(configuration& made, const reader& with) {
    if (!with.is_given("store")) made.stores["default"].url = "sqlite:" + with.absolute("lethe.db");
    for (std::size_t i = 0; i < made.routes.size(); ++i) {
        if (!made.routes[i].session) continue;
        session_options& one = *made.routes[i].session;
        one.rules.service = made.routes[i].upstream;
        // Sessions in cookies need no store; where one is configured, it takes the larger ones.
        const bool has_store = with.is_given("store") && made.stores.contains(one.store);
        const bool named = with.is_given(path_of("routes", i, "session.store"));
        if (made.sessions.mode == session::session_mode::sealed && !has_store && !named)
            one.store.clear();
    }
}

std::string_view last_part(std::string_view path) {
    return path.substr(path.find_last_of(".[") + 1);  // 0 without one
}

void sort_mistakes(std::vector<mistake>& mistakes) {
    std::sort(mistakes.begin(), mistakes.end(), [](const mistake& a, const mistake& b) {
        return std::tie(a.at, a.path, a.what) < std::tie(b.at, b.path, b.what);
    });
    // What an alias refers to was read once for each alias.
    const auto same = [](const mistake& a, const mistake& b) {
        return a.at == b.at && a.what == b.what && a.expected == b.expected &&
               last_part(a.path) == last_part(b.path);
    };
    mistakes.erase(std::unique(mistakes.begin(), mistakes.end(), same), mistakes.end());
}

void leave_out_too_many(const std::string& file, std::vector<mistake>& mistakes) {
    if (mistakes.size() <= mistakes_max) return;
    mistakes.resize(mistakes_max);
    mistakes.push_back({file, {}, "", "has more mistakes", "expected these to be put right first"});
}

}  // namespace

error_code make_error_code(errc e) noexcept {
    static constexpr error_row rows[] = {
        {int(errc::unreadable), "the configuration cannot be read", condition::unavailable},
        {int(errc::invalid), "the configuration has mistakes", condition::malformed}};
    static const table_category instance{"lethe.gateway.config", rows};
    return {static_cast<int>(e), instance};
}

environment process_environment() {
    return [](std::string_view name) -> std::optional<std::string> {
        const char* const found = std::getenv(std::string(name).c_str());
        return found == nullptr ? std::nullopt : std::optional<std::string>(found);
    };
}

result<configuration> load_config(const std::string& file, std::vector<mistake>& mistakes) {
    mistakes.clear();
    std::string why;
    const std::string text = read_file(file, why);
    if (!why.empty()) {
        mistakes.push_back(
            {file, {}, "", "cannot be read (" + why + ")", "expected a file with a configuration"});
        return LETHE_ERR(errc::unreadable);
    }
    parse_options options;
    options.file = file;
    options.directory = std::filesystem::path(make_absolute(file)).parent_path().string();
    options.variables = process_environment();
    LETHE_TRY(configuration made, parse_config(text, options, mistakes));
    made.file = file;
    return made;
}

result<configuration> parse_config(const std::string& text, const parse_options& options,
                                   std::vector<mistake>& mistakes) {
    mistakes.clear();
    const environment none = [](std::string_view) { return std::nullopt; };
    const node_ptr root =
        parse_document(text, options.file, options.variables ? options.variables : none, mistakes);
    configuration made;
    made.directory = make_absolute(options.directory);
    if (root) {
        reader with(options.file, made.directory, options.look_at_files, root, mistakes);
        configuration_table().read(with, {*root, ""}, made);
        take_defaults(made, with);
        check_whole(made, with);
        name_routes(made);
    }
    sort_mistakes(mistakes);
    leave_out_too_many(options.file, mistakes);
    if (!mistakes.empty()) return LETHE_ERR(errc::invalid);
    return made;
}

std::vector<std::string> changes_needing_restart(const configuration& old,
                                                 const configuration& fresh) {
    std::vector<std::string> out;
    const auto same_listener = [](const listener_options& a, const listener_options& b) {
        return a.address == b.address && a.unix_mode == b.unix_mode &&
               a.tls.has_value() == b.tls.has_value();
    };
    if (!std::equal(old.listen.begin(), old.listen.end(), fresh.listen.begin(), fresh.listen.end(),
                    same_listener))
        out.emplace_back("listen");
    if (old.admin.has_value() != fresh.admin.has_value() ||
        (old.admin && old.admin->address != fresh.admin->address))
        out.emplace_back("admin");
    if (old.workers != fresh.workers) out.emplace_back("workers");
    const auto same_store = [](const auto& a, const auto& b) {
        return a.first == b.first && a.second.url == b.second.url &&
               a.second.previous == b.second.previous;
    };
    if (!std::equal(old.stores.begin(), old.stores.end(), fresh.stores.begin(), fresh.stores.end(),
                    same_store))
        out.emplace_back("store");
    if (old.log.access != fresh.log.access) out.emplace_back("log.access");
    return out;
}

}  // namespace lethe::gateway::config
