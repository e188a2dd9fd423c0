#include "idempotency/graphql.hpp"

#include "idempotency/errors.hpp"
#include "idempotency/graphql_lexer.hpp"

#include <array>
#include <utility>

namespace lethe::idempotency::graphql {
namespace {

constexpr std::string_view closing_of(std::string_view open) noexcept {
    if (open == "{") return "}";
    if (open == "(") return ")";
    return "]";
}

// Follows the brackets and the definitions; what stands in them is the service's to judge.
class reader {
 public:
    explicit reader(std::string_view text) : lexer_(text) {}

    result<document> read() {
        result<> moved = advance();
        while (moved.has_value() && now_.kind != token_kind::end) moved = read_definition();
        if (moved.has_error()) return moved.error();
        if (out_.operations.empty()) return LETHE_ERR(errc::graphql_malformed);
        return std::move(out_);
    }

 private:
    // Keeps the present token in the normal form and goes on to the next.
    result<> advance() {
        if (now_.kind != token_kind::end) {
            if (!out_.normalised.empty()) out_.normalised += ' ';
            out_.normalised += now_.text;
        }
        LETHE_TRY(now_, lexer_.next());
        return {};
    }

    result<> read_definition() {
        if (now_.is("{")) {
            out_.operations.push_back({});
            return read_block(&out_.operations.back());
        }
        if (now_.is("fragment")) {
            // Its directives belong to whoever spreads it; a key is not looked for there.
            return read_up_to_block(nullptr);
        }
        static constexpr std::array<std::pair<std::string_view, operation_kind>, 3> kinds = {{
            {"query", operation_kind::query},
            {"mutation", operation_kind::mutation},
            {"subscription", operation_kind::subscription},
        }};
        for (const auto& [word, kind] : kinds) {
            if (!now_.is(word)) continue;
            out_.operations.emplace_back().kind = kind;
            LETHE_TRY_VOID(advance());
            if (now_.kind == token_kind::name) {
                out_.operations.back().name = now_.text;
                LETHE_TRY_VOID(advance());
            }
            return read_up_to_block(&out_.operations.back());
        }
        return LETHE_ERR(errc::graphql_malformed);
    }

    // Variables and directives, then the selection set.
    result<> read_up_to_block(operation* of) {
        while (!now_.is("{")) {
            if (now_.kind == token_kind::end || now_.is("}")) return malformed();
            if (now_.is("(") || now_.is("["))
                LETHE_TRY_VOID(read_block(of));
            else
                LETHE_TRY_VOID(read_one(of));
        }
        return read_block(of);
    }

    // From an opening bracket to behind its closing one.
    result<> read_block(operation* of) {
        std::vector<std::string_view> open;
        do {
            if (now_.kind == token_kind::end) return malformed();
            if (now_.is("{") || now_.is("(") || now_.is("[")) {
                if (open.size() == depth_max) return LETHE_ERR(errc::graphql_too_large);
                open.push_back(now_.text);
                LETHE_TRY_VOID(advance());
            } else if (now_.is("}") || now_.is(")") || now_.is("]")) {
                if (now_.text != closing_of(open.back())) return malformed();
                open.pop_back();
                LETHE_TRY_VOID(advance());
            } else {
                LETHE_TRY_VOID(read_one(of));
            }
        } while (!open.empty());
        return {};
    }

    // One token; with "@idempotent" also the brackets behind it.
    result<> read_one(operation* of) {
        const bool is_directive = now_.is("@");
        LETHE_TRY_VOID(advance());
        if (!is_directive || !now_.is("idempotent")) return {};
        LETHE_TRY_VOID(advance());
        if (!now_.is("(")) return {};
        LETHE_TRY_VOID(advance());
        while (!now_.is(")")) LETHE_TRY_VOID(read_argument(of));
        return advance();
    }

    result<> read_argument(operation* of) {
        if (now_.kind != token_kind::name) return malformed();
        const bool is_key = now_.is("key");
        LETHE_TRY_VOID(advance());
        if (!now_.is(":")) return malformed();
        LETHE_TRY_VOID(advance());
        if (now_.is("{") || now_.is("[")) return is_key ? malformed() : read_block(nullptr);
        key_argument key;
        key.is_variable = now_.is("$");
        if (key.is_variable) {
            LETHE_TRY_VOID(advance());
            if (now_.kind != token_kind::name) return malformed();
            key.text = now_.text;
        } else if (is_key) {
            LETHE_TRY(key.text, string_value(now_));
        } else if (now_.kind == token_kind::punctuator || now_.kind == token_kind::end) {
            return malformed();
        }
        if (is_key && of != nullptr) of->keys.push_back(std::move(key));
        return advance();
    }

    static result<> malformed() { return LETHE_ERR(errc::graphql_malformed); }

    lexer lexer_;
    token now_;
    document out_;
};

}  // namespace

result<document> parse_document(std::string_view text) {
    if (text.size() > document_bytes_max) return LETHE_ERR(errc::graphql_too_large);
    return reader(text).read();
}

}  // namespace lethe::idempotency::graphql
