// The corpus: hostile messages as text files, one for each topic. README.md tells their form.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lethe::test::hostile {

struct message {
    std::string method;
    std::string target;
    std::string body;
    bool operator==(const message&) const = default;
};
[[nodiscard]] std::string to_text(const std::vector<message>& all);

enum class ending : unsigned char {
    open,     // requests: the connection goes on; answers: forwarded as it is
    closed,   // requests: answered, then the connection ends
    refused,  // with `status`
    more,     // requests: the end has not come, nothing of the last one is forwarded whole
    cut,      // answers: the client sees that it did not come whole
};

struct hostile_case {
    std::string name;  // topic/name
    std::string why;
    std::string bytes;
    ending then = ending::open;
    int status = 0;  // of a refusal, or of the answer that is forwarded

    // Requests: what reaches the upstream, whole.
    std::vector<message> forwarded = {};

    // Answers.
    std::string method = "GET";  // that was asked with
    bool ends = false;           // the upstream ends the connection behind its bytes
    std::string body = {};       // as the client reads it
};

enum class side : bool { requests, answers };
// All files of that side. Throws std::runtime_error with file and line where one is malformed.
[[nodiscard]] std::vector<hostile_case> read_corpus(side which);

// Bytes made printable, for messages.
[[nodiscard]] std::string printable(std::string_view bytes);

// What is sent behind each request of the corpus that has an end: where it arrives, there the one
// before was over.
inline constexpr std::string_view probe_target = "/lethe-probe";
inline constexpr std::string_view probe = "GET /lethe-probe HTTP/1.1\r\nHost: probe\r\n\r\n";
inline constexpr std::string_view probe_body = "this is the probe's answer";

// The case's bytes with the probe behind them.
[[nodiscard]] std::string with_probe(const hostile_case& one);
// What reaches the upstream of these.
[[nodiscard]] std::vector<message> expected_upstream(const hostile_case& one);

}  // namespace lethe::test::hostile
