#include "store/open.hpp"

#include "store/memory/database.hpp"
#include "store/sqlite/store.hpp"

#include <utility>
#include <variant>

namespace lethe::store {
namespace {

struct memory_url {};
struct sqlite_url {
    std::string path;
    sqlite::synchronous mode = sqlite::synchronous::full;
};
using any_url = std::variant<memory_url, sqlite_url>;

result<any_url> parse_sqlite(std::string_view rest, std::string& why) {
    sqlite_url out;
    const std::size_t question = rest.find('?');
    out.path = rest.substr(0, question);
    if (out.path.empty()) {
        why = "sqlite: needs a file, such as sqlite:lethe.db";
        return LETHE_ERR(errc::malformed);
    }
    if (question == std::string_view::npos) return any_url(std::move(out));
    const std::string_view option = rest.substr(question + 1);
    if (option == "synchronous=normal") {
        out.mode = sqlite::synchronous::normal;
    } else if (option != "synchronous=full") {
        why =
            "sqlite: has one option, ?synchronous=full (durable, the default) or "
            "?synchronous=normal";
        return LETHE_ERR(errc::malformed);
    }
    return any_url(std::move(out));
}

result<any_url> parse(std::string_view url, std::string& why) {
    const std::size_t colon = url.find(':');
    const std::string_view scheme = url.substr(0, colon == std::string_view::npos ? 0 : colon);
    if (scheme == "sqlite") return parse_sqlite(url.substr(colon + 1), why);
    if (url == "memory:") return any_url(memory_url{});
    for (const std::string_view later :
         {"redis", "rediss", "redis+cluster", "postgres", "postgresql", "memcached"})
        if (scheme == later) {
            // The URL itself may hold a password.
            why = std::string(later) +
                  ": stores are not in this build, which has sqlite:PATH and memory:";
            return LETHE_ERR(errc::malformed);
        }
    why = "not a store's URL: use sqlite:PATH, or memory: for a try";
    return LETHE_ERR(errc::malformed);
}

}  // namespace

result<> validate_url(std::string_view url, std::string& why) {
    const result<any_url> parsed = parse(url, why);
    if (parsed.has_error()) return parsed.error();
    return {};
}

result<engine_promises> promises_of_url(std::string_view url, std::string& why) {
    LETHE_TRY(const any_url parsed, parse(url, why));
    if (const auto* file = std::get_if<sqlite_url>(&parsed)) return sqlite::promises_of(file->mode);
    return memory::promises_made;
}

result<std::unique_ptr<engine>> open(std::string_view url, open_options options, std::string& why) {
    LETHE_TRY(any_url parsed, parse(url, why));
    if (std::holds_alternative<memory_url>(parsed))
        return std::unique_ptr<engine>(std::make_unique<memory::memory_engine>(std::move(options)));
    auto& file = std::get<sqlite_url>(parsed);
    auto database = std::make_shared<sqlite::database>(
        sqlite::database_options{.path = file.path, .mode = file.mode}, options);
    const result<> started = database->start(why);
    if (started.has_error()) return started.error();
    return std::unique_ptr<engine>(
        std::make_unique<sqlite::sqlite_engine>(std::move(database), file.mode, options.name));
}

}  // namespace lethe::store
