#include "rows/service.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

bool same_name(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) {
        return std::tolower(static_cast<unsigned char>(x)) ==
               std::tolower(static_cast<unsigned char>(y));
    });
}

std::string read_chunks(raw_socket& from) {
    std::string out;
    while (true) {
        const std::string line = from.read_until("\r\n");
        const std::size_t size = std::strtoull(line.c_str(), nullptr, 16);
        if (line.empty() || size == 0) {
            static_cast<void>(from.read_until("\r\n"));
            return out;
        }
        out += from.read_bytes(size);
        static_cast<void>(from.read_until("\r\n"));
    }
}

std::optional<seen_request> read_request(raw_socket& from) {
    const std::string head = from.read_until("\r\n\r\n");
    if (!head.ends_with("\r\n\r\n")) return std::nullopt;
    seen_request out;
    std::size_t at = head.find("\r\n");
    const std::string line = head.substr(0, at);
    const std::size_t space = line.find(' ');
    out.method = line.substr(0, space);
    out.target = line.substr(space + 1, line.rfind(' ') - space - 1);
    for (at += 2; head.compare(at, 2, "\r\n") != 0;) {
        const std::size_t end = head.find("\r\n", at);
        const std::size_t colon = head.find(':', at);
        std::size_t value = colon + 1;
        while (value < end && head[value] == ' ') ++value;
        out.fields.emplace_back(head.substr(at, colon - at), head.substr(value, end - value));
        at = end + 2;
    }
    if (out.has("Transfer-Encoding"))
        out.body = read_chunks(from);
    else if (const std::string length = out.field("Content-Length"); !length.empty())
        out.body = from.read_bytes(std::strtoull(length.c_str(), nullptr, 10));
    return out;
}

}  // namespace

bool seen_request::has(std::string_view name) const {
    return std::ranges::any_of(fields, [&](const auto& one) { return same_name(one.first, name); });
}

std::string seen_request::field(std::string_view name) const {
    const auto found =
        std::ranges::find_if(fields, [&](const auto& one) { return same_name(one.first, name); });
    return found != fields.end() ? found->second : "";
}

std::string to_bytes(const reply& answer) {
    std::string out = "HTTP/1.1 " + std::to_string(answer.status) + " Scripted\r\n";
    for (const auto& [name, value] : answer.fields) out += name + ": " + value + "\r\n";
    return out + "Content-Length: " + std::to_string(answer.body.size()) + "\r\n\r\n" + answer.body;
}

service::service() : origin_([this](raw_socket& connection) { serve(connection); }) {
    answer(reply{});
}

void service::answer(reply always) {
    answer_by([always = std::move(always)](const seen_request&) { return always; });
}

void service::answer_by(std::function<reply(const seen_request&)> by) {
    act([by = std::move(by)](const seen_request& request, raw_socket& to) {
        return to.send(to_bytes(by(request)));
    });
}

void service::act(script how) {
    const std::lock_guard lock(mutex_);
    script_ = std::move(how);
}

std::string service::url() const {
    return "http://127.0.0.1:" + std::to_string(origin_.port());
}

std::size_t service::count() const {
    const std::lock_guard lock(mutex_);
    return seen_.size();
}

seen_request service::last() const {
    const std::lock_guard lock(mutex_);
    return seen_.empty() ? seen_request{} : seen_.back();
}

std::vector<seen_request> service::all() const {
    const std::lock_guard lock(mutex_);
    return seen_;
}

bool service::wait_for_count(std::size_t count) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return seen_.size() >= count; });
}

void service::serve(raw_socket& connection) {
    while (true) {
        const std::optional<seen_request> request = read_request(connection);
        if (!request) return;
        script how;
        {
            const std::lock_guard lock(mutex_);
            seen_.push_back(*request);
            how = script_;
        }
        changed_.notify_all();
        if (!how(*request, connection)) return;
    }
}

void gate::wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 20s, [this] { return open_; });
}

void gate::open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
}

}  // namespace lethe::test
