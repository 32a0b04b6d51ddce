// Certificates and keys as OpenSSL wants them: who we are, and whom we believe.
#pragma once
#include <openssl/ssl.h>

#include <memory>
#include <string>

#include <gantry/result.hpp>

namespace gantry::tls {

struct Files {
    std::string ca;           // certificates of those who sign; client: "" is the system's own
    std::string certificate;  // ours, with those between it and the root behind it
    std::string key;          // its key, not encrypted
    bool operator==(const Files&) const = default;
};

// Whether the other side's certificate is looked at. A server always looks.
enum class Verify { no = 1, yes };

struct ContextFree {
    void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
};
using Context = std::unique_ptr<SSL_CTX, ContextFree>;

// TLS 1.2 at least; a client without a certificate that `ca` signed is refused in the handshake. All three files are needed.
// GANTRY_INVALID: a file is not what it should be, or key and certificate are no pair; GANTRY_NOT_FOUND, GANTRY_DENIED: it
// cannot be read. Any thread.
Result<Context> server_context(const Files& files);
// The client's side; certificate and key both or neither.
Result<Context> client_context(const Files& files, Verify verify);
// The first reason on OpenSSL's error queue of this thread, in its words; empties the queue.
std::string last_reason();

}  // namespace gantry::tls
