// An independent reading of HTTP/1.1, with none of lethe's code: slow and plain. It reads what has
// one meaning by RFC 9112 and calls everything else malformed.
#pragma once

#include "hostile/corpus.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::test::hostile {

enum class reading : unsigned char { whole, unfinished, malformed };

struct read_request {
    reading how = reading::unfinished;
    message what;
    std::size_t size = 0;  // of the whole message
    bool close = false;    // its sender wants the connection to end
};
[[nodiscard]] read_request read_one_request(std::string_view bytes);

struct read_answer {
    reading how = reading::unfinished;
    int status = 0;
    std::string body;      // as far as it came
    std::size_t size = 0;  // of the whole message, interim answers before it included
    bool close = false;
    int interim = 0;  // answers 1xx before it
};
// `ended`: no more bytes come.
[[nodiscard]] read_answer read_one_answer(std::string_view bytes, bool to_head, bool ended);

// The messages of a connection up to the first that is not whole.
[[nodiscard]] std::vector<message> read_all_requests(std::string_view bytes);

}  // namespace lethe::test::hostile
