// What a build's secrets say to servers that it fetches from, by Docker's names: GIT_AUTH_TOKEN and GIT_AUTH_HEADER for git,
// HTTP_AUTH_TOKEN_HOST and HTTP_AUTH_HEADER_HOST for ADD of an URL.
#pragma once
#include <string>

#include "core/build/sources.hpp"

namespace gantry::build {

// "https://host:8443" of an http or https URL, lower case, without a user; "" for any other.
std::string origin_of(const std::string& url);

// The value of "Authorization" for a repository, "" for none: the header as it is, or the token as git's servers want it. A
// secret whose name ends in ".HOST" is for that host alone and goes before the one for all. GANTRY_INVALID: a secret that is no
// header's value.
Result<std::string> git_authorization(const std::string& url, const AskSecret& secret);
// The same for a download; the token is a bearer's. There is none for all hosts.
Result<std::string> http_authorization(const std::string& url, const AskSecret& secret);

}  // namespace gantry::build
