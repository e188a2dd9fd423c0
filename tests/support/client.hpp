// A small blocking HTTP/1.1 client for tests, on plain sockets: none of lethe's own code, so that
// one mistake cannot hide on both sides.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe::test {

using field_list = std::vector<std::pair<std::string, std::string>>;

struct http_request {
    std::string method = "GET";
    std::string target = "/";
    field_list fields = {};  // Host, Content-Length and Cookie are added
    std::string body = {};
};

enum class http_failure {
    none,
    refused,  // no connection: nothing was sent
    lost,     // the connection ended before the answer was complete
    timeout,
    nonsense,     // not HTTP
    interrupted,  // client::interrupt() was called
};
[[nodiscard]] std::string_view to_text(http_failure f) noexcept;

struct http_answer {
    http_failure failure = http_failure::none;
    int status = 0;  // 0: no head came
    field_list fields;
    std::string body;

    // The answer came whole.
    [[nodiscard]] bool complete() const noexcept { return failure == http_failure::none; }
    // The first field of that name, in any case.
    [[nodiscard]] std::optional<std::string> field(std::string_view name) const;
    // The same, "" when there is none.
    [[nodiscard]] std::string field_or_empty(std::string_view name) const;
};

// One connection to 127.0.0.1, kept open between requests, and a jar of cookies. One thread.
class client {
 public:
    explicit client(std::uint16_t port,
                    std::chrono::milliseconds timeout = std::chrono::seconds{10});
    ~client();
    client(const client&) = delete;
    client& operator=(const client&) = delete;

    // Sends it once (never again by itself) and reads the answer, in all within the timeout. A kept
    // connection that the server has closed meanwhile is made anew before anything is sent.
    [[nodiscard]] http_answer send(const http_request& request);
    [[nodiscard]] http_answer get(std::string target, field_list fields = {});
    [[nodiscard]] http_answer post(std::string target, std::string body, field_list fields = {});

    // Any bytes; false when the connection is lost. Connects when there is no connection.
    [[nodiscard]] bool send_raw(std::string_view bytes);
    // The next answer on the connection; `to_head`: of a HEAD request, without a body.
    [[nodiscard]] http_answer read_answer(bool to_head = false);
    void close() noexcept;

    // Cookies are sent back whatever their attributes: Secure ones, too, over loopback. A cookie
    // with Max-Age=0 or an Expires long ago is dropped.
    [[nodiscard]] std::map<std::string, std::string>& cookies() noexcept { return cookies_; }
    // Another process behind the same port, or another port: the cookies stay.
    void use_port(std::uint16_t port) noexcept;

    // Makes every wait of every client give up; safe in a signal handler.
    static void interrupt() noexcept { interrupted_ = true; }
    [[nodiscard]] static bool interrupted() noexcept { return interrupted_; }

 private:
    using time_point = std::chrono::steady_clock::time_point;

    [[nodiscard]] http_failure connect();
    [[nodiscard]] http_failure wait_for(short events);
    [[nodiscard]] http_failure write_all(std::string_view bytes);
    // Appends to buffer_; `lost` at the end of the stream.
    [[nodiscard]] http_failure read_more();
    [[nodiscard]] http_failure read_line(std::string& line);
    [[nodiscard]] http_failure read_bytes(std::uint64_t count, std::string& into);
    [[nodiscard]] http_failure read_head(http_answer& answer);
    [[nodiscard]] http_failure read_body(http_answer& answer);
    [[nodiscard]] http_failure read_chunks(std::string& into);
    [[nodiscard]] http_answer read_until_deadline(bool to_head);
    [[nodiscard]] std::string head_of(const http_request& request) const;
    void keep_cookies(const http_answer& answer);

    static std::atomic<bool> interrupted_;

    std::uint16_t port_;
    std::chrono::milliseconds timeout_;
    time_point deadline_{};
    int descriptor_ = -1;
    std::string buffer_;  // received, not yet looked at
    std::map<std::string, std::string> cookies_;
};

}  // namespace lethe::test
