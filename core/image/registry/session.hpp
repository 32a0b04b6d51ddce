// A conversation with one registry for the length of one operation: how it is reached, credentials, redirects, patience.
// Thread-safe.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "core/image/registry/auth.hpp"
#include "core/image/registry/retry_plan.hpp"
#include "core/image/registry/transport.hpp"

namespace gantry::image::registry {

// "repository:NAME:pull" and "repository:NAME:pull,push": what a token is for.
std::string pull_scope(const std::string& repository);
std::string push_scope(const std::string& repository);

class Session {
public:
    // Dials the registry as its settings say, and learns what it asks for (GET /v2/). `host`: as references name it;
    // `mirror`: "http[s]://HOST[:PORT]" of one of its mirrors, or "". Without settings: HTTPS with a good certificate;
    // and where only loopback addresses were dialled, HTTPS with any certificate, then plain HTTP, over loopback only.
    // There is no other way down. `transport` outlives the session.
    static Result<std::unique_ptr<Session>> open(Transport& transport, const std::string& host,
                                                 const std::string& mirror, Credentials credentials);

    // The URL of "/v2/..." there.
    Url url(const std::string& target) const;
    // One attempt, and a second with a new token: adds the authorization, follows redirects of GET and HEAD, to others
    // without any credentials. An answer of any status is an Outcome without error.
    Outcome attempt(HttpRequest request, const std::string& scope);
    // Attempts until one comes to an end that is no passing trouble (RetryPlan). The request must be one that may be
    // repeated.
    Result<HttpResponse> send(const HttpRequest& request, const std::string& scope);
    // Waits before the next attempt; false where there is none: given up, or cancelled.
    bool wait(RetryPlan& plan, const Outcome& outcome);

    Transport& transport() { return transport_; }
    Authorizer& authorizer() { return *authorizer_; }
    const std::string& host() const { return host_; }
    // What the first GET /v2/ was answered with.
    int status() const { return status_; }

private:
    Session(Transport& transport, std::string host) : transport_(transport), host_(std::move(host)) {}
    Result<void> dial(Url base, const HostSettings& settings, bool may_be_plain, Credentials credentials);
    Result<Outcome> hello();

    Transport& transport_;
    const std::string host_;
    Standing standing_;
    Trust trust_;
    int status_ = 0;
    std::unique_ptr<Authorizer> authorizer_;
};

// The registry's own words for a refusal: "unauthorized: authentication required", or by its status. `doing` goes first.
Error refusal(const HttpResponse& response, const std::string& doing);

}  // namespace gantry::image::registry
