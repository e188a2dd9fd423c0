// Frames of HTTP/2, whatever they are: no request is told of twice or after its end, no body is
// longer than its window, what is put out fits where it goes, and a connection that failed stays
// so. The first byte says how the rest is cut into reads.
#include "base/clock.hpp"
#include "fuzz.hpp"
#include "http/http2_request.hpp"
#include "http/http2_session.hpp"

#include <array>
#include <map>
#include <memory>

namespace {

using namespace lethe;
using namespace lethe::http;

class still_clock final : public clock {
 public:
    steady_time steady_now() const override { return {}; }
    system_time system_now() const override { return {}; }
    task<> sleep_until(steady_time) override { co_return result<>{}; }
};

constexpr http2_limits limits{
    .streams_max = 8, .stream_window = 4096, .connection_window = 70'000, .head_bytes_max = 4096};
constexpr head_limits head_max{.head_bytes_max = 4096, .fields_max = 20, .target_bytes_max = 512};

// Answers each head at once, with a body when the request has none.
class request final : public http2_session::stream {
 public:
    request(http2_session*& in, std::int32_t id) : session_(in), id_(id) {}

    void field(std::string_view name, std::string_view value, bool well_formed) override {
        LETHE_FUZZ_CHECK(!head_done_ && !closed_);
        if (well_formed)
            head_.add(name, value);
        else
            head_.add_malformed();
    }
    void head_done(bool has_body) override {
        LETHE_FUZZ_CHECK(!head_done_ && !closed_);
        head_done_ = true;
        framing how;
        const result<> read = head_.finish(has_body, how);
        body_done_ = !has_body;
        if (read.has_value()) {
            LETHE_FUZZ_CHECK(out_.path.starts_with('/') || out_.path == "*");
            LETHE_FUZZ_CHECK(!out_.authority.empty());
            for (const field_line& line : out_.header)
                LETHE_FUZZ_CHECK(is_token(line.name) && is_field_value(line.value));
        }
        fields answer(memory_);
        answer.add("x-answer", "of the target");
        if (!has_body) left_ = "a body";
        session_->answer(id_, read.has_value() ? 200 : 400, {answer.begin(), answer.size()},
                         !has_body);
    }
    void body_piece(std::string_view bytes) override {
        LETHE_FUZZ_CHECK(head_done_ && !body_done_ && !closed_);
        unread_ += bytes.size();
        LETHE_FUZZ_CHECK(unread_ <= limits.stream_window);
    }
    void body_done() override {
        LETHE_FUZZ_CHECK(head_done_ && !body_done_ && !closed_);
        body_done_ = true;
    }
    ready answer_ready() const noexcept override { return {left_, true}; }
    void answer_taken(std::size_t size, bool) override {
        LETHE_FUZZ_CHECK(!closed_ && size <= left_.size());
        left_.remove_prefix(size);
    }
    void closed() override {
        LETHE_FUZZ_CHECK(!closed_);
        closed_ = true;
    }

    void read() {
        if (unread_ != 0) session_->consume(id_, std::exchange(unread_, 0), !closed_);
    }

 private:
    http2_session*& session_;
    std::int32_t id_;
    arena memory_;
    request_head out_{memory_};
    http2_request head_{head_max, out_};
    std::string_view left_;
    std::size_t unread_ = 0;
    bool head_done_ = false;
    bool body_done_ = false;
    bool closed_ = false;
};

class server final : public http2_session::streams {
 public:
    http2_session::stream* open(std::int32_t id) override {
        LETHE_FUZZ_CHECK(id % 2 == 1 && all.find(id) == all.end());
        if (all.size() >= 64) return nullptr;
        all[id] = std::make_unique<request>(session, id);
        return all[id].get();
    }

    std::map<std::int32_t, std::unique_ptr<request>> all;
    http2_session* session = nullptr;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t cut = data[0] == 0 ? size : data[0];
    std::string in = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    in.append(fuzz::text(data, size).substr(1));
    still_clock time;
    server user;
    http2_session session(limits, user, time);
    user.session = &session;
    std::array<char, http2_session::fill_bytes_min> out{};
    bool failed = false;
    for (std::string_view left = in; !left.empty();) {
        const std::string_view piece = left.substr(0, cut);
        left.remove_prefix(piece.size());
        const result<> taken = session.receive(piece);
        LETHE_FUZZ_CHECK(!failed || taken.has_value());
        failed |= taken.has_error();
        for (const auto& [id, one] : user.all) one->read();
        for (int turns = 0; session.has_output(); ++turns) {
            LETHE_FUZZ_CHECK(turns < 1'000);
            const std::size_t filled = session.fill(out);
            LETHE_FUZZ_CHECK(filled <= out.size());
            if (filled == 0) break;
        }
    }
    return 0;
}
