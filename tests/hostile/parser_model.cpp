#include "hostile/parser_model.hpp"

#include "http/chunked.hpp"
#include "http/parser.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace lethe::test::hostile {
namespace {

int status_of(const error_code& error) {
    using http::errc;
    if (error == make_error_code(errc::target_too_long)) return 414;
    if (error == make_error_code(errc::unsupported_expectation)) return 417;
    if (error == make_error_code(errc::head_too_large)) return 431;
    if (error == make_error_code(errc::too_many_fields)) return 431;
    if (error == make_error_code(errc::unsupported_transfer_coding)) return 501;
    if (error == make_error_code(errc::unsupported_method)) return 501;
    if (error == make_error_code(errc::unsupported_version)) return 505;
    return 400;
}

// A body as far as it has come; nothing where more is needed.
class body_reader {
 public:
    void begin(const http::framing& how) {
        how_ = how;
        body.clear();
        decoder_.reset();
        done = !how.chunked && !how.until_close && how.content_length.value_or(0) == 0;
    }
    result<> feed(std::string& buffer) {
        while (!done && !buffer.empty()) {
            if (!how_.chunked) {
                const std::uint64_t left =
                    how_.until_close ? buffer.size() : *how_.content_length - body.size();
                const std::size_t size = std::min<std::uint64_t>(left, buffer.size());
                body += buffer.substr(0, size);
                buffer.erase(0, size);
                done = !how_.until_close && body.size() == *how_.content_length;
                continue;
            }
            const result<http::chunked_decoder::step> step = decoder_.decode(buffer);
            if (step.has_error()) return step.error();
            body += step->data;
            buffer.erase(0, step->consumed);
            done = step->done;
        }
        return {};
    }

    std::string body;
    bool done = true;

 private:
    http::framing how_;
    http::chunked_decoder decoder_;
};

class request_model {
 public:
    // False once no more is read.
    bool feed(std::string_view bytes) {
        buffer_ += bytes;
        while (out.then == ending::more) {
            if (!head_text_.empty()) {
                const result<> read = body_.feed(buffer_);
                if (read.has_error()) return refuse(read.error());
                if (!body_.done) return true;
                under_way_.body = body_.body;
                out.whole.push_back(under_way_);
                head_text_.clear();
                scanner_.reset();
                if (!keep_alive_) out.then = ending::closed;
                continue;
            }
            if (buffer_.empty()) return true;
            const result<std::optional<std::size_t>> size = scanner_.scan(buffer_);
            if (size.has_error()) return refuse(size.error());
            if (!*size) return true;
            head_text_ = buffer_.substr(0, **size);
            buffer_.erase(0, **size);
            if (!read_head()) return false;
        }
        return false;
    }
    parsed_requests out;

 private:
    bool refuse(const error_code& why) {
        out.then = ending::refused;
        out.status = status_of(why);
        return false;
    }
    bool read_head() {
        arena memory;
        http::request_head head(memory);
        http::framing how;
        const result<> read = http::parse_request_head(head_text_, limits_, head, how);
        if (read.has_error()) return refuse(read.error());
        under_way_ = {std::string(head.method_text), std::string(head.path), ""};
        if (head.has_query) under_way_.target += "?" + std::string(head.query);
        keep_alive_ = how.keep_alive;
        body_.begin(how);
        return true;
    }

    http::head_limits limits_;
    http::head_scanner scanner_{limits_.head_bytes_max};
    std::string buffer_;
    std::string head_text_;
    message under_way_;
    body_reader body_;
    bool keep_alive_ = false;
};

class answer_model {
 public:
    explicit answer_model(http::method asked) : asked_(asked) {}

    void feed(std::string_view bytes) {
        buffer_ += bytes;
        while (out.then == ending::more && !final_) {
            const result<std::optional<std::size_t>> size = scanner_.scan(buffer_);
            if (size.has_error()) return refuse();
            if (!*size) return;
            if (!read_head(**size)) return refuse();
        }
        if (out.then != ending::more) return;
        if (body_.feed(buffer_).has_error())
            out.then = ending::cut;
        else if (body_.done)
            out.then = ending::open;
    }
    parsed_answer finish(bool ends) {
        out.body = body_.body;
        out.more_behind = out.then == ending::open && !buffer_.empty();
        out.kept = how_.keep_alive && buffer_.empty() && out.then == ending::open;
        if (out.then != ending::more || !ends) return out;
        if (!final_)
            out.then = ending::refused;
        else
            out.then = how_.until_close ? ending::open : ending::cut;
        return out;
    }
    parsed_answer out;

 private:
    void refuse() {
        out = {};
        out.then = ending::refused;
    }
    bool read_head(std::size_t size) {
        const std::string text = buffer_.substr(0, size);
        buffer_.erase(0, size);
        scanner_.reset();
        arena memory;
        http::response_head head(memory);
        how_ = {};
        if (http::parse_response_head(text, limits_, asked_, head, how_).has_error()) return false;
        if (head.status == 101) return false;
        if (head.status < 200) return ++interim_ <= 16;
        out.status = head.status;
        final_ = true;
        body_.begin(how_);
        return true;
    }

    http::method asked_;
    http::head_limits limits_;
    http::head_scanner scanner_{limits_.head_bytes_max};
    std::string buffer_;
    http::framing how_;
    body_reader body_;
    int interim_ = 0;
    bool final_ = false;
};

}  // namespace

parsed_requests parse_requests(const pieces& bytes) {
    request_model model;
    for (const std::string& piece : bytes)
        if (!model.feed(piece)) break;
    return model.out;
}

parsed_answer parse_answer(const pieces& bytes, std::string_view method, bool ends) {
    answer_model model(http::parse_method(method));
    for (const std::string& piece : bytes) model.feed(piece);
    return model.finish(ends);
}

}  // namespace lethe::test::hostile
