// A small shop behind lethe: one replica of it. Start several with the same --db.
#include "orders.hpp"
#include "shop.hpp"

#include <charconv>
#include <cstdio>
#include <exception>
#include <lethe/lethe.hpp>
#include <string>
#include <string_view>

namespace {

constexpr const char* usage =
    "usage: shop --port PORT --db FILE [--name NAME] [--slow-ms N]\n"
    "  --port PORT   listen on 127.0.0.1:PORT\n"
    "  --db FILE     the SQLite database of the orders, shared by all replicas\n"
    "  --name NAME   what X-Replica says (default: shop-PORT)\n"
    "  --slow-ms N   wait so long between the work and the answer; also ?delay=N per request\n";

struct options {
    int port = 0;
    std::string db;
    std::string name;
    int slow_ms = 0;
};

bool parse_number(std::string_view text, int min, int max, int& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size() && out >= min && out <= max;
}

// What is wrong with the arguments; "" when nothing is.
std::string read_options(int count, char** arguments, options& out) {
    for (int i = 1; i < count; i += 2) {
        const std::string name = arguments[i];
        if (i + 1 >= count) return name + " needs a value";
        const std::string value = arguments[i + 1];
        if (name == "--port") {
            if (!parse_number(value, 1, 65535, out.port)) return "--port must be 1 to 65535";
        } else if (name == "--slow-ms") {
            if (!parse_number(value, 0, 30000, out.slow_ms)) return "--slow-ms must be 0 to 30000";
        } else if (name == "--db") {
            out.db = value;
        } else if (name == "--name") {
            out.name = value;
        } else {
            return "unknown option " + name;
        }
    }
    if (out.port == 0) return "--port is missing";
    if (out.db.empty()) return "--db is missing";
    if (out.name.empty()) out.name = "shop-" + std::to_string(out.port);
    return {};
}

int serve(const options& with) {
    shop::order_book orders(with.db);
    shop::premises premises{orders, std::chrono::milliseconds(with.slow_ms)};
    lethe::service_options settings;
    settings.port = static_cast<std::uint16_t>(with.port);
    settings.body_bytes_max = 64 * 1024;
    lethe::service service(settings);
    service.set_on_every_answer("X-Replica", with.name);
    service.on_ready([&](std::uint16_t port) {
        std::printf("shop %s on 127.0.0.1:%u\n", with.name.c_str(), unsigned{port});
        std::fflush(stdout);
    });
    shop::add_pages(service, premises);
    const boost::system::result<void> served = service.run();
    if (served.has_value()) return 0;
    std::fprintf(stderr, "shop: %s\n", served.error().message().c_str());
    return 1;
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 2 && std::string_view(arguments[1]) == "--help") {
        std::fputs(usage, stdout);
        return 0;
    }
    options with;
    const std::string mistake = read_options(count, arguments, with);
    if (!mistake.empty()) {
        std::fprintf(stderr, "shop: %s\n%s", mistake.c_str(), usage);
        return 2;
    }
    try {
        return serve(with);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "shop: %s\n", e.what());
        return 1;
    }
}
