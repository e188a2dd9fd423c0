#include "wire/http2_peer.hpp"

#include <nghttp2/nghttp2.h>

#include <stdexcept>

namespace lethe::test {
namespace {

constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

char byte_of(std::uint32_t value, int shift) {
    return static_cast<char>(static_cast<unsigned char>(value >> shift));
}

// RFC 7541 section 5.1, with seven bits in the first byte.
std::string prefixed(std::size_t value) {
    if (value < 127) return {static_cast<char>(value)};
    std::string out = "\x7f";
    value -= 127;
    for (; value >= 128; value /= 128) out += static_cast<char>(value % 128 + 128);
    out += static_cast<char>(value);
    return out;
}

}  // namespace

struct http2_peer::decoder {
    decoder() {
        if (nghttp2_hd_inflate_new(&of) != 0) throw std::runtime_error("no decoder");
    }
    ~decoder() { nghttp2_hd_inflate_del(of); }
    decoder(const decoder&) = delete;
    decoder& operator=(const decoder&) = delete;

    nghttp2_hd_inflater* of = nullptr;
};

std::string number32(std::uint32_t value) {
    return {byte_of(value, 24), byte_of(value, 16), byte_of(value, 8), byte_of(value, 0)};
}

std::uint32_t read_number32(std::string_view bytes) {
    std::uint32_t out = 0;
    for (const char c : bytes.substr(0, 4)) out = out * 256 + static_cast<unsigned char>(c);
    return out;
}

std::string to_bytes(const http2_frame& frame) {
    const auto size = static_cast<std::uint32_t>(frame.payload.size());
    std::string out = {byte_of(size, 16), byte_of(size, 8), byte_of(size, 0)};
    out += static_cast<char>(frame.type);
    out += static_cast<char>(frame.flags);
    return out + number32(frame.stream) + frame.payload;
}

std::string encode_head(const header_list& head) {
    std::string out;
    for (const auto& [name, value] : head) {
        out += '\0';
        out += prefixed(name.size()) + name + prefixed(value.size()) + value;
    }
    return out;
}

header_list get(const std::string& path, const header_list& more) {
    header_list out = {
        {":method", "GET"}, {":scheme", "http"}, {":authority", "shop.example"}, {":path", path}};
    out.insert(out.end(), more.begin(), more.end());
    return out;
}

header_list post(const std::string& path, const header_list& more) {
    header_list out = get(path, more);
    out[0].second = "POST";
    return out;
}

std::string http2_answer::field(std::string_view name) const {
    for (const auto& [known, value] : head)
        if (known == name) return value;
    return {};
}

http2_peer::http2_peer(std::uint16_t port, std::uint32_t window)
    : socket_(raw_socket::connect(port)), decoder_(std::make_unique<decoder>()) {
    // INITIAL_WINDOW_SIZE
    const std::string settings = std::string("\0\4", 2) + number32(window);
    socket_.send(std::string(preface) + to_bytes({frame_type::settings, 0, 0, settings}));
}

http2_peer::~http2_peer() = default;

std::uint32_t http2_peer::request(const header_list& head, bool ends) {
    const std::uint32_t stream = next_stream_;
    next_stream_ += 2;
    const auto flags = static_cast<std::uint8_t>(end_headers | (ends ? end_stream : 0));
    send({frame_type::headers, flags, stream, encode_head(head)});
    return stream;
}

void http2_peer::body(std::uint32_t stream, std::string_view bytes, bool ends) {
    given_[0] -= static_cast<std::int64_t>(bytes.size());
    given_[stream] -= static_cast<std::int64_t>(bytes.size());
    send({frame_type::data, ends ? end_stream : std::uint8_t{0}, stream, std::string(bytes)});
}

std::int64_t http2_peer::room(std::uint32_t stream) const {
    const auto given = [this](std::uint32_t of) {
        const auto found = given_.find(of);
        return found == given_.end() ? 0 : found->second;
    };
    return std::min(65'535 + given(0), first_window_ + given(stream));
}

std::optional<http2_frame> http2_peer::next() {
    const std::string head = socket_.read_bytes(9);
    if (head.size() < 9) return std::nullopt;
    http2_frame out;
    const std::uint32_t size = read_number32(std::string(1, '\0') + head.substr(0, 3));
    out.type = static_cast<frame_type>(head[3]);
    out.flags = static_cast<std::uint8_t>(head[4]);
    out.stream = read_number32(std::string_view(head).substr(5)) & 0x7fffffff;
    out.payload = socket_.read_bytes(size);
    if (out.payload.size() < size) return std::nullopt;
    take(out);
    return out;
}

void http2_peer::take(const http2_frame& frame) {
    http2_answer& to = answers_[frame.stream];
    const bool ends = (frame.flags & end_stream) != 0;
    switch (frame.type) {
        case frame_type::settings:
            if ((frame.flags & ack) != 0) break;
            for (std::string_view left = frame.payload; left.size() >= 6; left.remove_prefix(6))
                if (left[1] == 4) first_window_ = read_number32(left.substr(2));
            send({frame_type::settings, ack, 0, {}});
            break;
        case frame_type::ping:
            if ((frame.flags & ack) == 0) send({frame_type::ping, ack, 0, frame.payload});
            break;
        case frame_type::window_update: given_[frame.stream] += read_number32(frame.payload); break;
        case frame_type::headers: take_head(to, frame.payload, ends); break;
        case frame_type::rst_stream: to.reset = read_number32(frame.payload); break;
        case frame_type::data:
            to.body += frame.payload;
            to.complete |= ends;
            if (!opens_windows || frame.payload.empty()) break;
            for (const std::uint32_t of : {std::uint32_t{0}, frame.stream})
                send({frame_type::window_update, 0, of,
                      number32(static_cast<std::uint32_t>(frame.payload.size()))});
            break;
        default: break;
    }
}

void http2_peer::take_head(http2_answer& to, std::string_view block, bool ends) {
    to.interim.insert(to.interim.end(), to.head.begin(), to.head.end());
    to.head.clear();
    to.complete |= ends;
    auto* at = reinterpret_cast<std::uint8_t*>(const_cast<char*>(block.data()));
    std::size_t left = block.size();
    while (true) {
        nghttp2_nv line{};
        int flags = 0;
        const ssize_t used = nghttp2_hd_inflate_hd2(decoder_->of, &line, &flags, at, left, 1);
        if (used < 0) throw std::runtime_error("a head that cannot be decoded");
        at += used;
        left -= static_cast<std::size_t>(used);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
            to.head.emplace_back(std::string(reinterpret_cast<char*>(line.name), line.namelen),
                                 std::string(reinterpret_cast<char*>(line.value), line.valuelen));
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(decoder_->of);
}

const http2_answer& http2_peer::answer(std::uint32_t stream) {
    const http2_answer& wanted = answers_[stream];
    while (!wanted.complete && !wanted.reset)
        if (!next()) break;
    return wanted;
}

std::optional<http2_peer::farewell> http2_peer::goaway() {
    while (const std::optional<http2_frame> frame = next())
        if (frame->type == frame_type::goaway)
            return farewell{read_number32(frame->payload) & 0x7fffffff,
                            read_number32(std::string_view(frame->payload).substr(4))};
    return std::nullopt;
}

bool http2_peer::still_there() {
    const std::string mark = "sync" + number32(next_stream_);
    if (!send({frame_type::ping, 0, 0, mark})) return false;
    while (const std::optional<http2_frame> frame = next())
        if (frame->type == frame_type::ping && (frame->flags & ack) != 0 && frame->payload == mark)
            return true;
    return false;
}

}  // namespace lethe::test
