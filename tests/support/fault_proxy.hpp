// A proxy between a client and a server on 127.0.0.1 that misbehaves when told to, in a thread of
// its own: TCP as a bad network makes it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace lethe::test {

// All calls from any thread; each has taken effect when it returns.
class fault_proxy {
 public:
    // Throws std::runtime_error.
    explicit fault_proxy(std::uint16_t server_port);
    ~fault_proxy();
    fault_proxy(const fault_proxy&) = delete;
    fault_proxy& operator=(const fault_proxy&) = delete;

    // Where clients connect to.
    [[nodiscard]] std::uint16_t port() const noexcept;
    // Connections go to this server from now on; those that are open stay where they are.
    void lead_to(std::uint16_t server_port);

    // Resets all connections.
    void cut();
    // Lets this many more bytes of answers pass, over all connections together, then resets the
    // connection whose answer it was, in the middle of it. Once.
    void cut_after(std::size_t answer_bytes);
    // Requests pass, answers wait (on: for ever; off: all that waited comes).
    void hold_answers(bool on);
    // Requests and answers wait, as when the network is away; nothing is lost.
    void hold_all(bool on);
    // From now on answers are thrown away; connections that lost one never answer again.
    void drop_answers(bool on);
    // The k-th of what the server sends from now on (a piece as the system hands it out, so an
    // answer where requests come one by one) is thrown away and its connection never answers again:
    // TCP loses nothing from the middle. Once; k counts from 1.
    void drop_piece(std::size_t k);
    // Runs `then` at the k-th piece that clients send from now on, in the proxy's thread: before it
    // would pass (it never does), or once the server has answered it (nobody gets that answer). The
    // connection is reset then. Once; k counts from 1, 0 takes back what was asked before.
    enum class instant : std::uint8_t { before, answered };
    void at_request(std::size_t k, instant when, std::function<void()> then);
    // New connections are refused by the system: nobody listens.
    void refuse(bool on);
    // Each piece, in both directions, waits this long; the order stays.
    void delay(std::chrono::milliseconds by);
    // Everything as at the beginning; open connections stay.
    void heal();

    // How many connections were accepted so far, and how many are open.
    [[nodiscard]] std::size_t accepted() const;
    [[nodiscard]] std::size_t open() const;
    // Bytes of answers that reached clients so far.
    [[nodiscard]] std::size_t answered_bytes() const;

 private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace lethe::test
