// A Cookie field with a session's cookies: what is found stands inside the input, what is removed
// is removed whatever else is there, and only what the ring sealed opens; it reads the same again.
#include "base/bytes.hpp"
#include "fuzz.hpp"
#include "http/fields.hpp"
#include "session/sealed_cookie.hpp"

#include <memory>
#include <string>

namespace {

using namespace lethe;
using namespace lethe::session;

const keyring& ring() {
    static const std::shared_ptr<const keyring> made =
        load_keyring(
            {{.id = "k1", .file = {}, .text = secret(to_hex(std::string(key_bytes, 'a')))}}, {})
            .ring;
    return *made;
}

// The corpus has cookies of this ring and name; whatever opens is sealed and opened once more.
void check_opened(const sealed_session& opened) {
    const std::unique_ptr<random_source> random = make_seeded_random(1);
    const auto cookies = seal_cookies(opened, "sid", ring(), *random);
    if (cookies.has_error()) return;
    session::detail::found_cookies sent;
    for (std::size_t i = 0; i < cookies->size(); ++i) sent[i] = (*cookies)[i];
    const auto again = open_cookies(sent, "sid", ring());
    LETHE_FUZZ_CHECK(again.has_value() && again->data == opened.data);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view in = fuzz::text(data, size);
    // As an attacker with the key would: any bytes as what is sealed.
    const result<state> decoded = decode_state(in);
    if (decoded.has_value()) check_opened({*decoded, {}});

    arena memory;
    http::fields header(memory);
    header.append_borrowed("Cookie", in);
    const session::detail::found_cookies sent = session::detail::find_cookies(header, "sid");
    for (const auto& one : sent)
        LETHE_FUZZ_CHECK(!one || (one->data() >= in.data() &&
                                  one->data() + one->size() <= in.data() + in.size()));
    const result<sealed_session> opened = open_cookies(sent, "sid", ring());
    if (opened.has_value()) check_opened(*opened);
    if (sent[0]) static_cast<void>(parse_cookie(*sent[0]));

    session::detail::remove_cookie(header, "sid");
    for (const auto& one : session::detail::find_cookies(header, "sid")) LETHE_FUZZ_CHECK(!one);
    return 0;
}
