#include "core/tls/context.hpp"

#include <fcntl.h>
#include <openssl/err.h>
#include <unistd.h>

#include <cstring>

#include "core/base/files.hpp"

namespace gantry::tls {
namespace {

// OpenSSL's own words for a file that cannot be opened name neither the file nor the reason.
Result<void> readable(const char* what, const std::string& path) {
    auto file = open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!file) return std::move(file).error().context(what);
    return {};
}

Error wrong_file(const char* what, const std::string& path) {
    return fail(Code::invalid, std::string(what) + " \"" + path + "\": " + last_reason());
}

Result<void> use_identity(SSL_CTX* context, const Files& files) {
    GANTRY_CHECK(readable("TLS certificate", files.certificate));
    GANTRY_CHECK(readable("TLS key", files.key));
    if (::SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1)
        return wrong_file("TLS certificate", files.certificate);
    // Nobody is there to be asked for a passphrase.
    ::SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return 0; });
    if (::SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1)
        return wrong_file("TLS key", files.key);
    return {};
}

Result<void> trust(SSL_CTX* context, const std::string& ca) {
    GANTRY_CHECK(readable("TLS CA", ca));
    if (::SSL_CTX_load_verify_file(context, ca.c_str()) != 1) return wrong_file("TLS CA", ca);
    return {};
}

Result<Context> new_context(const SSL_METHOD* method) {
    ::ERR_clear_error();
    Context context(::SSL_CTX_new(method));
    if (!context) return fail(Code::internal, "TLS: " + last_reason());
    ::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    ::SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    // A buffer that a write began with may have moved when it goes on; part of it may be written.
    ::SSL_CTX_set_mode(context.get(),
                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
    return context;
}

}  // namespace

std::string last_reason() {
    // What failed first is the cause; the rest are those who passed it on.
    const unsigned long code = ::ERR_get_error();
    ::ERR_clear_error();
    if (code == 0) return "unknown reason";
    if (ERR_GET_LIB(code) == ERR_LIB_SYS) return std::strerror(ERR_GET_REASON(code));
    const char* reason = ::ERR_reason_error_string(code);
    return reason ? reason : "error " + std::to_string(code);
}

Result<Context> server_context(const Files& files) {
    for (const auto& [what, path] :
         {std::pair{"CA", &files.ca}, {"certificate", &files.certificate}, {"key", &files.key}})
        if (path->empty())
            return fail(Code::invalid,
                        std::string("TLS needs a CA, a certificate and a key; the ") + what + " is missing");
    GANTRY_TRY(Context context, new_context(::TLS_server_method()));
    GANTRY_CHECK(use_identity(context.get(), files));
    GANTRY_CHECK(trust(context.get(), files.ca));
    if (STACK_OF(X509_NAME)* names = ::SSL_load_client_CA_file(files.ca.c_str()))
        ::SSL_CTX_set_client_CA_list(context.get(), names);
    ::SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    // Each connection proves anew who it is; nothing is kept of those that ended.
    ::SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    ::SSL_CTX_set_num_tickets(context.get(), 0);
    ::SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
    return context;
}

Result<Context> client_context(const Files& files, Verify verify) {
    GANTRY_TRY(Context context, new_context(::TLS_client_method()));
    if (files.certificate.empty() != files.key.empty())
        return fail(Code::invalid, files.key.empty() ? "TLS certificate \"" + files.certificate + "\" needs its key"
                                                     : "TLS key \"" + files.key + "\" needs its certificate");
    if (!files.certificate.empty()) GANTRY_CHECK(use_identity(context.get(), files));
    if (!files.ca.empty()) {
        GANTRY_CHECK(trust(context.get(), files.ca));
    } else if (verify == Verify::yes && ::SSL_CTX_set_default_verify_paths(context.get()) != 1) {
        return fail(Code::internal, "the system's certificates: " + last_reason());
    }
    ::SSL_CTX_set_verify(context.get(), verify == Verify::yes ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    return context;
}

}  // namespace gantry::tls
