#include "stores/adding.hpp"

#include <chrono>

namespace lethe::store {

using namespace std::chrono_literals;

std::string incremented(const std::string& value, const std::string&) {
    return std::to_string((value.empty() ? 0 : std::stol(value)) + 1);
}

std::string with_line(const std::string& value, const std::string& line) {
    return value + line + "\n";
}

task<> change_record(store& to, std::string key,
                     std::string (*change)(const std::string& value, const std::string& by),
                     std::string by, steady_time deadline) {
    result<std::optional<record>> present = co_await to.read(key, deadline);
    if (present.has_error()) co_return present.error();
    std::optional<record> last = std::move(*present);
    while (true) {
        const std::string value = last ? last->value : "";
        const expectation expect = last ? expectation(last->version) : expectation(absent{});
        result<answer> answered =
            co_await to.run(put{key, change(value, by), 1h, expect, ""}, deadline);
        if (answered.has_error()) co_return answered.error();
        if (answered->done) co_return result<>{};
        last = std::move(answered->present);
    }
}

task<> add_some(store& to, std::string counter, std::string lines, std::string name, int times,
                steady_time deadline) {
    for (int i = 0; i < times; ++i) {
        const result<> counted = co_await change_record(to, counter, incremented, "", deadline);
        if (counted.has_error()) co_return counted;
        const std::string line = name + "." + std::to_string(i);
        const result<> added = co_await change_record(to, lines, with_line, line, deadline);
        if (added.has_error()) co_return added;
    }
    co_return result<>{};
}

}  // namespace lethe::store
