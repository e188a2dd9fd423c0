// A client and an upstream in one thread, with a gateway under test between them: what is sent on
// one side, what arrives on the other. One case after the other; several lanes run side by side.
#pragma once

#include "hostile/corpus.hpp"
#include "hostile/strict_reader.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::test::hostile {

using pieces = std::vector<std::string>;
[[nodiscard]] pieces in_one(std::string bytes);
[[nodiscard]] pieces byte_by_byte(std::string_view bytes);
[[nodiscard]] pieces split_at(std::string_view bytes, std::size_t at);

struct request_outcome {
    std::vector<message> forwarded;  // whole at the upstream
    std::string unreadable;          // what came there that the strict reader refuses
    std::vector<int> statuses;       // of the answers at the client
    bool stuck = false;              // the gateway never came to an end
};

struct answer_outcome {
    read_answer got;      // the client's
    bool waited = false;  // for the upstream's end, which it was then given
    bool stuck = false;
    bool probe_arrived = true;  // the next request got its own answer and nothing but it
    bool reused = false;        // on the connection of the answer before
};

class lane {
 public:
    lane();
    ~lane();
    lane(const lane&) = delete;
    lane& operator=(const lane&) = delete;

    // Of the upstream.
    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

    // `patient`: the client ends its side only when the gateway is silent, and the gateway gets a
    // moment to see that its idle connections have ended (lethe looks before it uses one).
    request_outcome send(std::uint16_t gateway, const pieces& what, bool patient);
    // Asks the gateway with one.method, answers it with `what`, then sends the probe.
    answer_outcome answer(std::uint16_t gateway, const hostile_case& one, const pieces& what,
                          bool patient);

 private:
    struct connection {
        int descriptor = -1;
        std::string in;
        std::size_t next_piece = 0;
        bool answering = false;
        bool ended = false;
        bool asked_probe = false;
        bool finished = false;  // all that is to be sent is sent
    };
    enum class waited : unsigned char { something, nothing };

    waited turn(std::chrono::microseconds at_most);
    void accept_one();
    void take(connection& from);
    void serve(connection& to);
    void answer_case(connection& to);
    void settle();
    void connect_client(std::uint16_t gateway);
    void close_client();
    bool send_client(std::string_view bytes);
    [[nodiscard]] bool answer_finished() const;
    bool await_answer(answer_outcome& out, bool to_head);
    void ask_probe(std::uint16_t gateway, answer_outcome& out);
    void end_upstream();

    int listener_ = -1;
    std::uint16_t port_ = 0;
    int client_ = -1;
    std::string client_in_;
    bool client_ended_ = false;
    std::vector<connection> upstream_;
    request_outcome requests_;
    // Of an answer's case; nullptr: each request gets a plain answer.
    const hostile_case* case_ = nullptr;
    const pieces* answer_ = nullptr;
    bool probe_reused_ = false;
    bool patient_ = false;
};

}  // namespace lethe::test::hostile
