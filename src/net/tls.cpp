#include "net/tls.hpp"

#include "net/stream_impl.hpp"
#include "net/tls_layer.hpp"

#include <boost/asio/ip/address.hpp>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <cstring>

namespace lethe::net {

struct tls_client::impl {
    ssl_context_ptr context;
    std::string name;
    bool verify_name = true;
};

namespace {

// The library's default asks on the terminal.
int give_password(char* into, int size, int, void* from) {
    const std::string_view password = static_cast<const secret*>(from)->reveal();
    if (password.size() > static_cast<std::size_t>(size)) return -1;
    std::memcpy(into, password.data(), password.size());
    return static_cast<int>(password.size());
}

// For who checks the name and not the chain.
int only_names_matter(int fine, X509_STORE_CTX* at) {
    if (fine != 0) return 1;
    const int what = X509_STORE_CTX_get_error(at);
    return what == X509_V_ERR_HOSTNAME_MISMATCH || what == X509_V_ERR_IP_ADDRESS_MISMATCH ? 0 : 1;
}

result<> read_files(SSL_CTX* context, const tls_client_options& options, std::string& why) {
    const auto wrong = [&why](const char* what, const std::string& file) -> error_code {
        why = std::string(what) + " " + file + ": " + first_tls_reason();
        return LETHE_ERR(errc::tls_failed);
    };
    if (options.ca_file.empty()) {
        if (SSL_CTX_set_default_verify_paths(context) != 1)
            return wrong("the system's certificates", "");
    } else if (SSL_CTX_load_verify_file(context, options.ca_file.c_str()) != 1) {
        return wrong("the file of trusted authorities", options.ca_file);
    }
    if (options.certificate_file.empty() != options.key_file.empty()) {
        why = "a client certificate needs both its file and that of its key";
        return LETHE_ERR(errc::tls_failed);
    }
    if (options.certificate_file.empty()) return {};
    if (SSL_CTX_use_certificate_chain_file(context, options.certificate_file.c_str()) != 1)
        return wrong("the client certificate", options.certificate_file);
    SSL_CTX_set_default_passwd_cb(context, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, const_cast<secret*>(&options.key_password));
    const int read =
        SSL_CTX_use_PrivateKey_file(context, options.key_file.c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
    SSL_CTX_set_default_passwd_cb(context, nullptr);
    if (read != 1 || SSL_CTX_check_private_key(context) != 1)
        return wrong("the client certificate's key", options.key_file);
    return {};
}

bool is_ip(const std::string& host) {
    boost::system::error_code error;
    static_cast<void>(boost::asio::ip::make_address(host, error));
    return !error;
}

// One connection's state, which knows who its peer must be.
ssl_ptr make_ssl(const tls_client::impl& client, const std::string& host) {
    ssl_ptr out(SSL_new(client.context.get()));
    LETHE_ASSERT(out != nullptr);
    std::string name = client.name.empty() ? host : client.name;
    if (name.ends_with('.')) name.pop_back();
    bool fine = true;
    if (is_ip(name)) {
        if (client.verify_name)
            fine = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(out.get()), name.c_str()) == 1;
    } else {
        fine = SSL_set_tlsext_host_name(out.get(), name.c_str()) == 1;
        SSL_set_hostflags(out.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (client.verify_name) fine = fine && SSL_set1_host(out.get(), name.c_str()) == 1;
    }
    SSL_set_connect_state(out.get());
    ERR_clear_error();
    // A name that cannot be checked must not go unchecked.
    return fine ? std::move(out) : nullptr;
}

// Reader and writer each wait in a place of their own, whatever the socket must do for them.
task<> wait_for(stream::impl& in, tls_layer::wants what, suspension& place) {
    if (what == tls_layer::wants::writable)
        in.filled();
    else
        in.drained();
    const bool ready = what == tls_layer::wants::writable ? in.may_write() : in.may_read();
    if (!ready) co_await place.wait();
    if (in.gave_up()) co_return in.reason();
    co_return result<>{};
}

}  // namespace

result<tls_client> make_tls_client(const tls_client_options& options, std::string& why) {
    ERR_clear_error();
    auto made = std::make_shared<tls_client::impl>();
    made->context.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX* context = made->context.get();
    LETHE_ASSERT(context != nullptr);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    const result<> read = read_files(context, options, why);
    if (read.has_error()) return read.error();
    if (!options.verify_chain && !options.verify_name)
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
    else
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER,
                           options.verify_chain ? nullptr : only_names_matter);
    made->name = options.name;
    made->verify_name = options.verify_name;
    return tls_client(std::move(made));
}

task<stream> connect_tls(worker& on, address to, tls_client with, steady_time deadline,
                         std::string name) {
    const std::string host = name.empty() ? to.host : std::move(name);
    result<stream> made = co_await connect(on, std::move(to), deadline);
    if (made.has_error()) co_return made.error();
    stream::impl& in = made->inside();
    ssl_ptr ssl = make_ssl(with.inside(), host);
    if (!ssl) co_return LETHE_ERR(errc::tls_wrong_name);
    in.tls = std::make_unique<tls_layer>(std::move(ssl), in.socket.number());
    if (deadline != steady_time::max()) in.set(on.timers(), deadline);
    const result<> agreed = co_await shake_hands(in);
    if (agreed.has_error()) co_return agreed.error();
    in.clear();
    co_return std::move(made);
}

task<> shake_hands(stream::impl& in) {
    while (true) {
        if (in.gave_up()) co_return in.reason();
        const result<tls_layer::progress> step = in.tls->handshake();
        if (step.has_error()) co_return step.error();
        if (step->next == tls_layer::wants::nothing) co_return result<>{};
        const result<> ready = co_await wait_for(in, step->next, in.writing);
        if (ready.has_error()) co_return ready;
    }
}

task<> write_tls(stream::impl& in, std::span<const std::string_view> pieces, std::size_t skip) {
    while (true) {
        if (in.gave_up()) co_return in.reason();
        const result<tls_layer::progress> step = in.tls->write(pieces, skip);
        if (step.has_error()) co_return step.error();
        skip += step->bytes;
        if (step->next == tls_layer::wants::nothing) co_return result<>{};
        const result<> ready = co_await wait_for(in, step->next, in.writing);
        if (ready.has_error()) co_return ready;
    }
}

}  // namespace lethe::net
