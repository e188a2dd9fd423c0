#include "support/certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <sys/stat.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

namespace lethe::test {
namespace {

struct deleter {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using key_ptr = std::unique_ptr<EVP_PKEY, deleter>;
using certificate_ptr = std::unique_ptr<X509, deleter>;

void must(bool fine, const char* what) {
    if (!fine) throw std::runtime_error(std::string("cannot make a certificate: ") + what);
}

void extend(X509* to, X509* issuer, int name, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
    const std::unique_ptr<X509_EXTENSION, deleter> made(
        X509V3_EXT_conf_nid(nullptr, &context, name, value));
    must(made != nullptr && X509_add_ext(to, made.get(), -1) == 1, value);
}

certificate_ptr make_one(const char* common_name, EVP_PKEY* key, X509* issuer,
                         EVP_PKEY* issuer_key) {
    certificate_ptr made(X509_new());
    must(made != nullptr, "memory");
    X509_set_version(made.get(), 2);
    std::uint64_t serial = 0;
    must(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1, "random");
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(made.get()), serial >> 1);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), 7L * 24 * 3600);
    X509_set_pubkey(made.get(), key);
    X509_NAME* const name = X509_get_subject_name(made.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(common_name), -1, -1, 0);
    X509* const signer = issuer != nullptr ? issuer : made.get();
    X509_set_issuer_name(made.get(), X509_get_subject_name(signer));
    if (issuer == nullptr) {
        extend(made.get(), signer, NID_basic_constraints, "critical,CA:TRUE");
        extend(made.get(), signer, NID_key_usage, "critical,keyCertSign,cRLSign");
    } else {
        extend(made.get(), signer, NID_basic_constraints, "critical,CA:FALSE");
        extend(made.get(), signer, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
        extend(made.get(), signer, NID_ext_key_usage, "serverAuth");
    }
    extend(made.get(), signer, NID_subject_key_identifier, "hash");
    must(X509_sign(made.get(), issuer_key, EVP_sha256()) > 0, "signature");
    return made;
}

std::unique_ptr<std::FILE, deleter> create(const std::filesystem::path& file) {
    std::unique_ptr<std::FILE, deleter> made(std::fopen(file.c_str(), "w"));
    must(made != nullptr, file.c_str());
    return made;
}

void write(const std::filesystem::path& file, X509* certificate) {
    must(PEM_write_X509(create(file).get(), certificate) == 1, file.c_str());
}

}  // namespace

certificates make_certificates(const std::filesystem::path& folder) {
    const certificates out{.authority = folder / "authority.pem",
                           .certificate = folder / "server.pem",
                           .key = folder / "server.key"};
    const key_ptr authority_key(EVP_EC_gen("P-256"));
    const key_ptr server_key(EVP_EC_gen("P-256"));
    must(authority_key != nullptr && server_key != nullptr, "keys");
    const certificate_ptr authority =
        make_one("lethe test authority", authority_key.get(), nullptr, authority_key.get());
    const certificate_ptr server =
        make_one("localhost", server_key.get(), authority.get(), authority_key.get());
    write(out.authority, authority.get());
    write(out.certificate, server.get());
    must(PEM_write_PrivateKey(create(out.key).get(), server_key.get(), nullptr, nullptr, 0, nullptr,
                              nullptr) == 1,
         "key file");
    must(::chmod(out.key.c_str(), 0600) == 0, "mode of the key file");
    return out;
}

}  // namespace lethe::test
