// The Authorization of requests to one registry: Basic, or bearer tokens from the server that the registry names.
#pragma once
#include <map>
#include <mutex>
#include <string>

#include "core/image/registry/challenge.hpp"
#include "core/image/registry/credentials.hpp"
#include "core/image/registry/transport.hpp"

namespace gantry::image::registry {

// What is known of the registry itself, and so of whom it may send us to.
struct Standing {
    Url base;                         // its own
    bool local = false;               // it was dialled at a loopback or link-local address
    std::vector<std::string> realms;  // hosts of token servers that get its credentials besides its own domain
};

// True where both are one host, or of one registrable domain (publicsuffix.org).
bool same_site(const std::string& a, const std::string& b);
// How a host that a registry sends us to is to be reached and trusted: by its own settings, never by the registry's.
// GANTRY_DENIED: an address that only a local registry may send us to; plain HTTP, unless the registry itself is so.
Result<Trust> trust_for(const Settings& settings, const Url& url, const Standing& registry);
// By name alone: roots, client certificate, and whether to verify. `authority`: "HOST[:PORT]".
Result<Trust> named_trust(const Settings& settings, const std::string& authority);

// Thread-safe.
class Authorizer {
public:
    Authorizer(Transport& transport, Standing registry, Credentials credentials)
        : transport_(transport), registry_(std::move(registry)), credentials_(std::move(credentials)) {}

    // What the registry's 401 asks for.
    void learn(const HttpResponse& unauthorized);
    // The header's value for requests of these scopes ("repository:NAME:pull", several with blanks between), "" for
    // none. Tokens are kept. GANTRY_DENIED: the credentials are wrong, or would go to a server they are not for.
    Result<std::string> header(const std::string& scope);
    // The token of these scopes was refused.
    void forget(const std::string& scope);

    // The refresh token for these credentials, "" where the server gives none (login).
    Result<std::string> identity_token();

private:
    struct Token {
        std::string text;
        std::int64_t until_ns = 0;
    };
    struct Server {
        Url realm;
        std::string service;
        Trust trust;
    };
    Result<Server> token_server();
    Result<Json> ask(const Server& server, const std::string& scope, bool offline);
    Result<Token> fetch(const std::string& scope);

    Transport& transport_;
    const Standing registry_;
    const Credentials credentials_;
    std::mutex mutex_;  // all below; held while a token is fetched, so that one is fetched once
    Challenge challenge_;
    std::map<std::string, Token> tokens_;
};

}  // namespace gantry::image::registry
