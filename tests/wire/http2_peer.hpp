// A client of HTTP/2, frame by frame: it sends what it is told, also what no client may, and shows
// the frames that come. Of nghttp2 it uses the decoder of heads alone.
#pragma once

#include "wire/peers.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe::test {

enum class frame_type : std::uint8_t {
    data = 0,
    headers = 1,
    priority = 2,
    rst_stream = 3,
    settings = 4,
    ping = 6,
    goaway = 7,
    window_update = 8,
    continuation = 9
};
inline constexpr std::uint8_t end_stream = 1;
inline constexpr std::uint8_t ack = 1;
inline constexpr std::uint8_t end_headers = 4;

struct http2_frame {
    frame_type type = frame_type::data;
    std::uint8_t flags = 0;
    std::uint32_t stream = 0;
    std::string payload;
};
[[nodiscard]] std::string to_bytes(const http2_frame& frame);
[[nodiscard]] std::string number32(std::uint32_t value);
[[nodiscard]] std::uint32_t read_number32(std::string_view bytes);

using header_list = std::vector<std::pair<std::string, std::string>>;
// As literals that no table keeps (RFC 7541 section 6.2.2).
[[nodiscard]] std::string encode_head(const header_list& head);
// A GET of that path, and what comes on top.
[[nodiscard]] header_list get(const std::string& path, const header_list& more = {});
[[nodiscard]] header_list post(const std::string& path, const header_list& more = {});

// An answer, as far as it came.
struct http2_answer {
    header_list interim;  // heads before the last one, one after another
    header_list head;
    std::string body;
    bool complete = false;
    std::optional<std::uint32_t> reset;  // the code

    [[nodiscard]] std::string field(std::string_view name) const;
    [[nodiscard]] std::string status() const { return field(":status"); }
};

class http2_peer {
 public:
    // Connects and sends preface and settings; acknowledges the server's.
    explicit http2_peer(std::uint16_t port, std::uint32_t window = 1 << 20);
    ~http2_peer();
    http2_peer(const http2_peer&) = delete;
    http2_peer& operator=(const http2_peer&) = delete;

    bool send(const http2_frame& frame) { return socket_.send(to_bytes(frame)); }
    // The request of a new stream: its number.
    std::uint32_t request(const header_list& head, bool ends = true);
    void body(std::uint32_t stream, std::string_view bytes, bool ends);

    // The next frame; nullopt when the connection ended or nothing came for five seconds. Settings
    // and pings are answered; what belongs to answers is put there.
    std::optional<http2_frame> next();
    // Until the answer to that stream is complete or was reset, or the connection ended.
    const http2_answer& answer(std::uint32_t stream);
    // The same as far as it came by now.
    const http2_answer& so_far(std::uint32_t stream) { return answers_[stream]; }
    // Until GOAWAY: last stream and code. nullopt: the connection ended without.
    struct farewell {
        std::uint32_t last_stream = 0;
        std::uint32_t code = 0;
    };
    std::optional<farewell> goaway();
    // Until the server has taken what was sent so far: false when it ended the connection.
    bool still_there();
    // Gives room back for each piece of a body that came. On from the start.
    bool opens_windows = true;
    // How much of bodies may be sent, as the server said.
    [[nodiscard]] std::int64_t room(std::uint32_t stream) const;

    [[nodiscard]] raw_socket& socket() noexcept { return socket_; }

 private:
    void take(const http2_frame& frame);
    void take_head(http2_answer& to, std::string_view block, bool ends);

    struct decoder;
    raw_socket socket_;
    std::unique_ptr<decoder> decoder_;
    std::map<std::uint32_t, http2_answer> answers_;
    std::map<std::uint32_t, std::int64_t> given_;  // window updates less what was sent
    std::int64_t first_window_ = 65'535;
    std::uint32_t next_stream_ = 1;
};

}  // namespace lethe::test
