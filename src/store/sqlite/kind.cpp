#include "store/sqlite/kind.hpp"

#include "store/sqlite/store.hpp"

#include <utility>

namespace lethe::store::sqlite {
namespace {

struct parsed_url {
    std::string path;
    synchronous mode = synchronous::full;
};

result<parsed_url> parse(std::string_view url, std::string& why) {
    const std::string_view rest = url.substr(url.find(':') + 1);
    const std::size_t question = rest.find('?');
    parsed_url out{.path = std::string(rest.substr(0, question))};
    if (out.path.empty()) {
        why = "sqlite: needs a file, such as sqlite:lethe.db";
        return LETHE_ERR(errc::malformed);
    }
    if (question == std::string_view::npos) return out;
    const std::string_view option = rest.substr(question + 1);
    if (option == "synchronous=normal") {
        out.mode = synchronous::normal;
    } else if (option != "synchronous=full") {
        why =
            "sqlite: has one option, ?synchronous=full (durable, the default) or "
            "?synchronous=normal";
        return LETHE_ERR(errc::malformed);
    }
    return out;
}

result<engine_promises> judge(std::string_view url, std::string& why) {
    LETHE_TRY(const parsed_url file, parse(url, why));
    return promises_of(file.mode);
}

result<std::unique_ptr<engine>> open(std::string_view url, open_options options, std::string& why) {
    LETHE_TRY(const parsed_url file, parse(url, why));
    auto opened =
        std::make_shared<database>(database_options{.path = file.path, .mode = file.mode}, options);
    const result<> started = opened->start(why);
    if (started.has_error()) return started.error();
    return std::unique_ptr<engine>(
        std::make_unique<sqlite_engine>(std::move(opened), file.mode, options.name));
}

}  // namespace

const engine_kind kind{
    .takes = [](std::string_view url) { return has_scheme(url, {"sqlite"}); },
    .judge = judge,
    .open = open,
};

}  // namespace lethe::store::sqlite
