// What reading and writing HTTP costs by itself.
#include "http/chunked.hpp"
#include "http/parser.hpp"
#include "http/structured.hpp"
#include "http/target.hpp"
#include "http/writer.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <string>

namespace {

using namespace lethe;
using namespace lethe::http;

constexpr std::string_view request =
    "GET /api/v1/products/4711?fields=name,price&lang=en HTTP/1.1\r\n"
    "Host: shop.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: __Host-lethe=eyJhbGciOiJub25lIn0; theme=dark\r\n"
    "Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789\r\n"
    "X-Request-Id: 0f8fad5b-d9cb-469f-a165-70867728950e\r\n"
    "Idempotency-Key: \"12345-abcde\"\r\n"
    "\r\n";

constexpr std::string_view answer =
    "HTTP/1.1 200 OK\r\n"
    "Server: shop\r\n"
    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    "Content-Type: application/json; charset=utf-8\r\n"
    "Content-Length: 1234\r\n"
    "Connection: keep-alive\r\n"
    "Cache-Control: max-age=60\r\n"
    "ETag: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"\r\n"
    "\r\n";

void count(benchmark::State& state, std::size_t bytes) {
    state.SetItemsProcessed(state.iterations());
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

void scan_request_head(benchmark::State& state) {
    head_scanner scanner(16 * 1024);
    for (auto _ : state) {
        benchmark::DoNotOptimize(scanner.scan(request));
        scanner.reset();
    }
    count(state, request.size());
}
BENCHMARK(scan_request_head);

// As a connection does it: the fields' vector and the arena are used again.
void parse_request(benchmark::State& state) {
    const head_limits limits;
    arena memory;
    request_head head(memory);
    framing frame;
    for (auto _ : state) {
        head.header.clear();
        benchmark::DoNotOptimize(parse_request_head(request, limits, head, frame));
        memory.reset();
    }
    count(state, request.size());
}
BENCHMARK(parse_request);

// With an exchange of its own each time.
void parse_request_anew(benchmark::State& state) {
    const head_limits limits;
    arena memory;
    for (auto _ : state) {
        request_head head(memory);
        framing frame;
        benchmark::DoNotOptimize(parse_request_head(request, limits, head, frame));
        memory.reset();
    }
    count(state, request.size());
}
BENCHMARK(parse_request_anew);

void parse_response(benchmark::State& state) {
    const head_limits limits;
    arena memory;
    response_head head(memory);
    framing frame;
    for (auto _ : state) {
        head.header.clear();
        benchmark::DoNotOptimize(parse_response_head(answer, limits, method::get, head, frame));
    }
    count(state, answer.size());
}
BENCHMARK(parse_response);

void normalise(benchmark::State& state, std::string_view path) {
    arena memory;
    for (auto _ : state) {
        benchmark::DoNotOptimize(normalise_path(path, memory));
        memory.reset();
    }
    count(state, path.size());
}
BENCHMARK_CAPTURE(normalise, plain, "/api/v1/products/4711");
BENCHMARK_CAPTURE(normalise, escaped, "/api/v1/a%20b/./x/../%7euser");

void decode_chunked(benchmark::State& state) {
    const auto chunk_bytes = static_cast<std::size_t>(state.range(0));
    std::string body;
    std::array<char, 20> line{};
    while (body.size() < 64 * 1024) {
        body.append(line.data(), write_chunk_size(line, chunk_bytes));
        body.append(chunk_bytes, 'x').append(chunk_end);
    }
    body += last_chunk;
    for (auto _ : state) {
        chunked_decoder decoder;
        std::string_view rest = body;
        while (!rest.empty()) {
            const auto step = decoder.decode(rest);
            benchmark::DoNotOptimize(step);
            rest.remove_prefix(step->consumed);
        }
    }
    count(state, body.size());
}
BENCHMARK(decode_chunked)->Arg(16)->Arg(1024)->Arg(16 * 1024);

void write_request(benchmark::State& state) {
    arena memory;
    request_head head(memory);
    framing frame;
    if (parse_request_head(request, head_limits{}, head, frame).has_error()) std::abort();
    std::size_t bytes = 0;
    for (auto _ : state) {
        arena other;
        head_text out(other);
        append_request_line(out, head);
        append_fields(out, head.header,
                      [](const field_line& one) { return !is_hop_by_hop(one.id); });
        append_head_end(out);
        const std::string_view done = out.done();
        benchmark::DoNotOptimize(done.data());
        bytes = done.size();
    }
    count(state, bytes);
}
BENCHMARK(write_request);

void write_date(benchmark::State& state) {
    system_time now{std::chrono::milliseconds{784'111'777'000}};
    for (auto _ : state) {
        benchmark::DoNotOptimize(http_date(now));
        now += std::chrono::milliseconds{1};
    }
}
BENCHMARK(write_date);

void parse_structured_item(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(structured::parse_item("\"12345-abcde\""));
}
BENCHMARK(parse_structured_item);

void parse_structured_dictionary(benchmark::State& state) {
    constexpr std::string_view text = "ttl=3600, new, carts=(a b c);v=2, at=@1659578233, id=\"x\"";
    for (auto _ : state) benchmark::DoNotOptimize(structured::parse_dictionary(text));
    count(state, text.size());
}
BENCHMARK(parse_structured_dictionary);

}  // namespace
