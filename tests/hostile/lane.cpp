#include "hostile/lane.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <utility>

namespace lethe::test::hostile {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// So long nothing happens: then nothing more will, as far as one can tell.
constexpr auto silence = 700ms;
constexpr auto patience = 20s;
// Long enough for the other side to see a piece by itself, most of the time.
constexpr auto between_pieces = 60us;

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
}

void send_at_once(int descriptor) {
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool send_all(int descriptor, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

// False at the end.
bool receive(int descriptor, std::string& into) {
    char bytes[16384];
    const ssize_t got = ::recv(descriptor, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got <= 0) return false;
    into.append(bytes, static_cast<std::size_t>(got));
    return true;
}

std::string plain_answer(std::string_view body) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           std::string(body);
}

// The statuses of the final answers in what a client got; the last may be cut short.
std::vector<int> statuses_of(std::string_view bytes, const std::vector<message>& asked) {
    std::vector<int> out;
    while (!bytes.empty()) {
        const bool to_head = out.size() < asked.size() && asked[out.size()].method == "HEAD";
        const read_answer one = read_one_answer(bytes, to_head, true);
        if (one.status != 0) out.push_back(one.status);
        if (one.how != reading::whole || one.size == 0) break;
        bytes.remove_prefix(one.size);
    }
    return out;
}

}  // namespace

pieces in_one(std::string bytes) {
    return {std::move(bytes)};
}
pieces byte_by_byte(std::string_view bytes) {
    pieces out;
    // The long ones in some hundred pieces: they are long, not intricate.
    const std::size_t size = bytes.size() > 1000 ? bytes.size() / 300 : 1;
    for (std::size_t at = 0; at < bytes.size(); at += size)
        out.emplace_back(bytes.substr(at, size));
    return out;
}
pieces split_at(std::string_view bytes, std::size_t at) {
    return {std::string(bytes.substr(0, at)), std::string(bytes.substr(at))};
}

lane::lane() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in at = loopback(0);
    socklen_t size = sizeof at;
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
        ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) != 0)
        throw std::runtime_error("no socket to listen at");
    port_ = ntohs(at.sin_port);
}

lane::~lane() {
    close_client();
    for (const connection& one : upstream_) ::close(one.descriptor);
    ::close(listener_);
}

void lane::connect_client(std::uint16_t gateway) {
    close_client();
    client_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in to = loopback(gateway);
    if (::connect(client_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
        throw std::runtime_error("the gateway does not accept connections");
    send_at_once(client_);
    client_in_.clear();
    client_ended_ = false;
}

void lane::close_client() {
    if (client_ >= 0) ::close(std::exchange(client_, -1));
}

bool lane::send_client(std::string_view bytes) {
    return !client_ended_ && send_all(client_, bytes);
}

// Whatever happens within that time.
lane::waited lane::turn(std::chrono::microseconds at_most) {
    std::vector<pollfd> all = {{listener_, POLLIN, 0}, {client_ended_ ? -1 : client_, POLLIN, 0}};
    for (const connection& one : upstream_)
        all.push_back({one.ended ? -1 : one.descriptor, POLLIN, 0});
    const timespec time{at_most.count() / 1'000'000, at_most.count() % 1'000'000 * 1000};
    if (::ppoll(all.data(), all.size(), &time, nullptr) <= 0) return waited::nothing;
    if (all[1].revents != 0 && !receive(client_, client_in_)) client_ended_ = true;
    for (std::size_t i = 2; i < all.size(); ++i)
        if (all[i].revents != 0) take(upstream_[i - 2]);
    if (all[0].revents != 0) accept_one();
    return waited::something;
}

void lane::accept_one() {
    const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor < 0) return;
    send_at_once(descriptor);
    upstream_.emplace_back().descriptor = descriptor;
}

void lane::take(connection& from) {
    if (!receive(from.descriptor, from.in)) from.ended = true;
    serve(from);
}

// Reads what has come whole, and answers it.
void lane::serve(connection& to) {
    while (!to.in.empty()) {
        const read_request one = read_one_request(to.in);
        if (one.how == reading::malformed) {
            requests_.unreadable += to.in;
            to.in.clear();
            to.ended = true;
            ::shutdown(to.descriptor, SHUT_RDWR);
            return;
        }
        if (one.how == reading::unfinished) return;
        to.in.erase(0, one.size);
        requests_.forwarded.push_back(one.what);
        const bool is_probe = one.what.target.ends_with(probe_target);
        if (case_ != nullptr && !is_probe) {
            to.answering = true;
        } else {
            probe_reused_ |= is_probe && to.answering;
            std::string out = plain_answer(is_probe ? probe_body : "ok");
            if (one.what.method == "HEAD") out.resize(out.find("\r\n\r\n") + 4);
            send_all(to.descriptor, out);
        }
        if (one.close) {
            // As a server should that was asked to.
            if (case_ == nullptr || is_probe) ::shutdown(to.descriptor, SHUT_WR);
        }
    }
}

// Ends what is left between gateway and upstream, so that the next case begins anew.
void lane::settle() {
    close_client();
    client_ended_ = true;
    const auto until = steady_clock::now() + patience;
    while (turn(0us) == waited::something && steady_clock::now() < until) {
    }
    for (const connection& one : upstream_)
        if (!one.ended) ::shutdown(one.descriptor, SHUT_WR);
    const auto idle_until = steady_clock::now() + (patient_ ? 30ms : 0ms);
    const auto under_way = [](const connection& one) { return !one.ended && !one.in.empty(); };
    while (std::any_of(upstream_.begin(), upstream_.end(), [&](const connection& one) {
        return under_way(one) || (!one.ended && steady_clock::now() < idle_until);
    })) {
        if (steady_clock::now() > until) {
            requests_.stuck = true;
            break;
        }
        const std::size_t known = upstream_.size();
        turn(10ms);
        for (std::size_t i = known; i < upstream_.size(); ++i)
            ::shutdown(upstream_[i].descriptor, SHUT_WR);
    }
    for (const connection& one : upstream_) ::close(one.descriptor);
    upstream_.clear();
}

request_outcome lane::send(std::uint16_t gateway, const pieces& what, bool patient) {
    requests_ = {};
    patient_ = patient;
    case_ = nullptr;
    connect_client(gateway);
    const auto until = steady_clock::now() + patience;
    auto last = steady_clock::now();
    bool ended_own = false;
    for (std::size_t next = 0; !client_ended_;) {
        if (client_in_.ends_with(probe_body)) break;
        const auto now = steady_clock::now();
        if (next < what.size()) {
            send_client(what[next++]);
            last = now;
        } else if (!ended_own && (!patient || now - last > silence)) {
            ::shutdown(client_, SHUT_WR);
            ended_own = true;
        }
        if (now > until) {
            requests_.stuck = true;
            break;
        }
        const auto wait = next < what.size() ? std::chrono::microseconds(between_pieces)
                          : ended_own        ? std::chrono::microseconds(1s)
                                             : std::chrono::microseconds(silence / 2);
        if (turn(wait) == waited::something) last = steady_clock::now();
    }
    const std::string got = std::exchange(client_in_, {});
    settle();
    requests_.statuses = statuses_of(got, requests_.forwarded);
    return std::move(requests_);
}

void lane::answer_case(connection& to) {
    if (!to.answering || to.finished) return;
    if (to.next_piece < answer_->size()) {
        if (!to.ended) send_all(to.descriptor, (*answer_)[to.next_piece]);
        ++to.next_piece;
    }
    if (to.next_piece < answer_->size()) return;
    to.finished = true;
    if (case_->ends && !to.ended) ::shutdown(to.descriptor, SHUT_WR);
}

bool lane::answer_finished() const {
    return std::any_of(upstream_.begin(), upstream_.end(),
                       [](const connection& one) { return one.finished; }) &&
           std::none_of(upstream_.begin(), upstream_.end(),
                        [](const connection& one) { return one.answering && !one.finished; });
}

void lane::end_upstream() {
    for (const connection& one : upstream_)
        if (one.answering && !one.ended) ::shutdown(one.descriptor, SHUT_WR);
}

// Until the client has a whole answer, or will never have one. False: it took too long.
bool lane::await_answer(answer_outcome& out, bool to_head) {
    const auto until = steady_clock::now() + patience;
    auto last = steady_clock::now();
    while (true) {
        out.got = read_one_answer(client_in_, to_head, client_ended_);
        const bool decided = client_ended_ || out.got.how != reading::unfinished;
        if (decided && (answer_finished() || client_ended_)) return true;
        const auto now = steady_clock::now();
        if (now > until) return false;
        if (now - last > silence && answer_finished() && !out.waited) {
            end_upstream();
            out.waited = true;
        }
        for (connection& one : upstream_) answer_case(one);
        const bool sending = std::any_of(upstream_.begin(), upstream_.end(), [](const auto& one) {
            return one.answering && !one.finished;
        });
        if (turn(sending ? std::chrono::microseconds(between_pieces)
                         : std::chrono::microseconds(10ms)) == waited::something)
            last = steady_clock::now();
    }
}

void lane::ask_probe(std::uint16_t gateway, answer_outcome& out) {
    for (int attempt = 0; attempt < 2; ++attempt) {
        const bool fresh = client_ended_ || attempt > 0;
        if (fresh) connect_client(gateway);
        send_client(probe);
        const auto until = steady_clock::now() + patience;
        read_answer got;
        while (steady_clock::now() < until) {
            got = read_one_answer(client_in_, false, client_ended_);
            if (client_ended_ || got.how != reading::unfinished) break;
            turn(10ms);
        }
        // An idle connection may end at any time, before anything was answered.
        if (!fresh && client_ended_ && client_in_.empty()) continue;
        out.probe_arrived = got.how == reading::whole && got.status == 200 &&
                            got.body == probe_body && got.size == client_in_.size();
        return;
    }
}

answer_outcome lane::answer(std::uint16_t gateway, const hostile_case& one, const pieces& what,
                            bool patient) {
    requests_ = {};
    patient_ = patient;
    case_ = &one;
    answer_ = &what;
    probe_reused_ = false;
    answer_outcome out;
    connect_client(gateway);
    send_client(one.method + " /case HTTP/1.1\r\nHost: a\r\n" +
                (one.method == "POST" ? "Content-Length: 5\r\n\r\nhello" : "\r\n"));
    out.stuck = !await_answer(out, one.method == "HEAD");
    if (!out.stuck) {
        client_in_.erase(0, out.got.size);
        if (out.got.how == reading::whole && !client_ended_ && client_in_.empty() &&
            out.got.close) {
            // It says that it will end the connection.
            const auto until = steady_clock::now() + patience;
            while (!client_ended_ && steady_clock::now() < until) turn(100ms);
        }
        if (client_in_.empty() || client_ended_)
            ask_probe(gateway, out);
        else
            out.probe_arrived = false;  // bytes behind the answer
    }
    out.reused = probe_reused_;
    settle();
    case_ = nullptr;
    return out;
}

}  // namespace lethe::test::hostile
