#include "support/client.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace lethe::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How long one wait may be, so that interrupt() is seen soon.
constexpr milliseconds wait_slice{100};
constexpr std::size_t line_bytes_max = 64 * 1024;

char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_name(std::string_view a, std::string_view b) noexcept {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

template <class Number>
bool parse_number(std::string_view text, Number& out, int base = 10) noexcept {
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, out, base);
    return error == std::errc{} && at == end;
}

bool has_no_body(int status) noexcept {
    return status == 204 || status == 304 || status / 100 == 1;
}

}  // namespace

std::atomic<bool> client::interrupted_{false};

std::string_view to_text(http_failure f) noexcept {
    switch (f) {
        case http_failure::none: return "none";
        case http_failure::refused: return "refused";
        case http_failure::lost: return "lost";
        case http_failure::timeout: return "timeout";
        case http_failure::nonsense: return "nonsense";
        case http_failure::interrupted: return "interrupted";
    }
    return "?";
}

std::optional<std::string> http_answer::field(std::string_view name) const {
    for (const auto& [key, value] : fields)
        if (same_name(key, name)) return value;
    return std::nullopt;
}

std::string http_answer::field_or_empty(std::string_view name) const {
    return field(name).value_or(std::string{});
}

client::client(std::uint16_t port, milliseconds timeout) : port_(port), timeout_(timeout) {}

client::~client() {
    close();
}

void client::close() noexcept {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
    buffer_.clear();
}

void client::use_port(std::uint16_t port) noexcept {
    close();
    port_ = port;
}

http_failure client::wait_for(short events) {
    while (true) {
        if (interrupted_) return http_failure::interrupted;
        const auto left = std::chrono::ceil<milliseconds>(deadline_ - steady_clock::now());
        if (left <= milliseconds{0}) return http_failure::timeout;
        pollfd one{.fd = descriptor_, .events = events, .revents = 0};
        const int ready = ::poll(&one, 1, static_cast<int>(std::min(left, wait_slice).count()));
        if (ready > 0) return http_failure::none;
        if (ready < 0 && errno != EINTR) return http_failure::lost;
    }
}

http_failure client::connect() {
    descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor_ < 0) return http_failure::refused;
    const int yes = 1;
    ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port_);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0)
        return http_failure::none;
    http_failure failure = http_failure::refused;
    if (errno == EINPROGRESS) {
        failure = wait_for(POLLOUT);
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &size);
        if (failure == http_failure::none && error != 0) failure = http_failure::refused;
    }
    if (failure != http_failure::none) close();
    return failure;
}

http_failure client::write_all(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            const http_failure failure = wait_for(POLLOUT);
            if (failure != http_failure::none) return failure;
        } else if (errno != EINTR) {
            return http_failure::lost;
        }
    }
    return http_failure::none;
}

http_failure client::read_more() {
    char piece[16 * 1024];
    while (true) {
        const ssize_t got = ::recv(descriptor_, piece, sizeof piece, 0);
        if (got > 0) {
            buffer_.append(piece, static_cast<std::size_t>(got));
            return http_failure::none;
        }
        if (got == 0) return http_failure::lost;
        if (errno == EAGAIN) {
            const http_failure failure = wait_for(POLLIN);
            if (failure != http_failure::none) return failure;
        } else if (errno != EINTR) {
            return http_failure::lost;
        }
    }
}

http_failure client::read_line(std::string& line) {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
        if (buffer_.size() > line_bytes_max) return http_failure::nonsense;
        const http_failure failure = read_more();
        if (failure != http_failure::none) return failure;
    }
    line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return http_failure::none;
}

http_failure client::read_bytes(std::uint64_t count, std::string& into) {
    while (count > 0) {
        if (buffer_.empty()) {
            const http_failure failure = read_more();
            if (failure != http_failure::none) return failure;
        }
        const std::size_t part =
            static_cast<std::size_t>(std::min<std::uint64_t>(count, buffer_.size()));
        into.append(buffer_, 0, part);
        buffer_.erase(0, part);
        count -= part;
    }
    return http_failure::none;
}

http_failure client::read_head(http_answer& answer) {
    std::string line;
    http_failure failure = read_line(line);
    if (failure != http_failure::none) return failure;
    if (line.size() < 12 || !line.starts_with("HTTP/1.") ||
        !parse_number(std::string_view(line).substr(9, 3), answer.status))
        return http_failure::nonsense;
    answer.fields.clear();
    while (true) {
        failure = read_line(line);
        if (failure != http_failure::none) return failure;
        if (line.empty()) return http_failure::none;
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos || colon == 0) return http_failure::nonsense;
        answer.fields.emplace_back(line.substr(0, colon),
                                   trim(std::string_view(line).substr(colon + 1)));
    }
}

http_failure client::read_chunks(std::string& into) {
    while (true) {
        std::string line;
        http_failure failure = read_line(line);
        if (failure != http_failure::none) return failure;
        std::uint64_t size = 0;
        if (!parse_number(trim(line.substr(0, line.find(';'))), size, 16))
            return http_failure::nonsense;
        if (size > 0) failure = read_bytes(size, into);
        if (failure != http_failure::none) return failure;
        // Behind each chunk an empty line; behind the last one the trailer, which an empty line
        // ends.
        do {
            failure = read_line(line);
            if (failure != http_failure::none) return failure;
            if (size > 0 && !line.empty()) return http_failure::nonsense;
        } while (!line.empty());
        if (size == 0) return http_failure::none;
    }
}

http_failure client::read_body(http_answer& answer) {
    if (const auto coding = answer.field("Transfer-Encoding")) {
        if (!same_name(*coding, "chunked")) return http_failure::nonsense;
        return read_chunks(answer.body);
    }
    if (const auto length = answer.field("Content-Length")) {
        std::uint64_t bytes = 0;
        if (!parse_number(std::string_view(*length), bytes)) return http_failure::nonsense;
        return read_bytes(bytes, answer.body);
    }
    http_failure failure = http_failure::none;
    while (failure == http_failure::none) failure = read_more();
    answer.body = std::move(buffer_);
    return failure == http_failure::lost ? http_failure::none : failure;
}

http_answer client::read_until_deadline(bool to_head) {
    http_answer answer;
    do {
        answer.failure = read_head(answer);
    } while (answer.complete() && answer.status / 100 == 1 && answer.status != 101);
    const bool delimited = answer.field("Transfer-Encoding") || answer.field("Content-Length") ||
                           has_no_body(answer.status) || to_head;
    if (answer.complete() && !to_head && !has_no_body(answer.status))
        answer.failure = read_body(answer);
    if (answer.status != 0) keep_cookies(answer);
    if (!answer.complete() || !delimited || same_name(answer.field_or_empty("Connection"), "close"))
        close();
    return answer;
}

http_answer client::read_answer(bool to_head) {
    deadline_ = steady_clock::now() + timeout_;
    if (descriptor_ < 0)
        return {.failure = http_failure::lost, .status = 0, .fields = {}, .body = {}};
    return read_until_deadline(to_head);
}

bool client::send_raw(std::string_view bytes) {
    deadline_ = steady_clock::now() + timeout_;
    if (descriptor_ < 0 && connect() != http_failure::none) return false;
    return write_all(bytes) == http_failure::none;
}

std::string client::head_of(const http_request& request) const {
    std::string head = request.method + ' ' + request.target +
                       " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port_) + "\r\n";
    for (const auto& [name, value] : request.fields) head += name + ": " + value + "\r\n";
    std::string jar;
    for (const auto& [name, value] : cookies_)
        jar += (jar.empty() ? "" : "; ") + name + '=' + value;
    if (!jar.empty()) head += "Cookie: " + jar + "\r\n";
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT")
        head += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
    return head + "\r\n";
}

http_answer client::send(const http_request& request) {
    deadline_ = steady_clock::now() + timeout_;
    http_answer answer;
    if (descriptor_ >= 0) {
        // Readable before anything was asked: the end of the stream, or nonsense.
        pollfd one{.fd = descriptor_, .events = POLLIN, .revents = 0};
        if (::poll(&one, 1, 0) != 0 || !buffer_.empty()) close();
    }
    if (descriptor_ < 0) answer.failure = connect();
    if (!answer.complete()) return answer;
    answer.failure = write_all(head_of(request) + request.body);
    // A server may answer and close before it has read all: its answer counts.
    if (answer.complete() || answer.failure == http_failure::lost)
        return read_until_deadline(request.method == "HEAD");
    close();
    return answer;
}

http_answer client::get(std::string target, field_list fields) {
    return send({.method = "GET", .target = std::move(target), .fields = std::move(fields)});
}

http_answer client::post(std::string target, std::string body, field_list fields) {
    fields.emplace_back("Content-Type", "application/json");
    return send({.method = "POST",
                 .target = std::move(target),
                 .fields = std::move(fields),
                 .body = std::move(body)});
}

void client::keep_cookies(const http_answer& answer) {
    for (const auto& [name, value] : answer.fields) {
        if (!same_name(name, "Set-Cookie")) continue;
        const std::string pair = value.substr(0, value.find(';'));
        const std::size_t equals = pair.find('=');
        if (equals == std::string::npos) continue;
        const std::string key(trim(std::string_view(pair).substr(0, equals)));
        std::string attributes = value.substr(pair.size());
        std::ranges::transform(attributes, attributes.begin(), lower);
        const bool dropped = attributes.find("max-age=0") != std::string::npos ||
                             attributes.find("1970 00:00:0") != std::string::npos;
        if (dropped)
            cookies_.erase(key);
        else
            cookies_[key] = trim(std::string_view(pair).substr(equals + 1));
    }
}

}  // namespace lethe::test
