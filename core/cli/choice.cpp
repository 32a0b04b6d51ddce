#include "core/cli/choice.hpp"

#include <stdlib.h>

#include "core/base/files.hpp"
#include "core/cli/docker_config.hpp"

namespace gantry::cli {
namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

// What the options and, of a TCP address, the environment say about TLS, the files where docker looks for them.
Result<Tls> tls_wish(const GlobalOptions& options) {
    Tls tls = options.tls;
    tls.verify = tls.verify || (!options.tls_given && !variable("DOCKER_TLS_VERIFY").empty());
    tls.on = tls.on || tls.verify || (!options.tls_given && !variable("DOCKER_TLS").empty());
    if (!tls.on) {
        if (!tls.ca.empty() || !tls.certificate.empty() || !tls.key.empty())
            return fail(Code::invalid, "--tlscacert, --tlscert and --tlskey need --tls or --tlsverify");
        return tls;
    }
    std::string directory = variable("DOCKER_CERT_PATH");
    if (directory.empty()) {
        GANTRY_TRY(directory, docker_config_directory());
    }
    if (tls.ca.empty() && tls.verify) tls.ca = directory + "/ca.pem";
    const std::string certificate = directory + "/cert.pem", key = directory + "/key.pem";
    if (tls.certificate.empty() && tls.key.empty() && path_exists(certificate) && path_exists(key)) {
        tls.certificate = certificate;
        tls.key = key;
    }
    return tls;
}

Result<Endpoint> endpoint_of_host(const std::string& host, const GlobalOptions& options) {
    GANTRY_TRY(Endpoint endpoint, Endpoint::parse(host));
    // The environment's words about TLS are for TCP addresses; an option is meant.
    if (endpoint.kind != Endpoint::Kind::tcp && !options.tls_given) return endpoint;
    GANTRY_TRY(Tls tls, tls_wish(options));
    return endpoint.with_tls(std::move(tls));
}

Choice of_context(const std::string& name, std::string by, const GlobalOptions& options, const ContextStore& contexts) {
    auto endpoint = [&]() -> Result<Endpoint> {
        if (options.tls_given && name != default_context)
            return fail(Code::invalid,
                        "conflicting options: TLS is given, and context \"" + name + "\" says itself what it needs");
        if (name == default_context) return endpoint_of_host("", options);
        GANTRY_TRY(Context context, contexts.find(name));
        return context.endpoint();
    }();
    if (!endpoint && !by.empty()) endpoint = std::move(endpoint).error().context(by);
    return Choice{std::move(endpoint), name, std::move(by)};
}

Choice of_host(const std::string& host, std::string by, const GlobalOptions& options) {
    auto endpoint = endpoint_of_host(host, options);
    if (!endpoint && !by.empty()) endpoint = std::move(endpoint).error().context(by);
    return Choice{std::move(endpoint), default_context, std::move(by)};
}

}  // namespace

Choice choose(const GlobalOptions& options, const ContextStore& contexts) {
    if (options.host_given && options.context_given)
        return Choice{fail(Code::invalid, "conflicting options: cannot specify both --host and --context")};
    if (options.host_given) return of_host(options.host, "", options);
    if (options.context_given) return of_context(options.context, "", options, contexts);
    for (const char* family : {"GANTRY", "DOCKER"}) {
        const std::string host = std::string(family) + "_HOST", context = std::string(family) + "_CONTEXT";
        if (std::string value = variable(host.c_str()); !value.empty()) return of_host(value, host, options);
        if (std::string value = variable(context.c_str()); !value.empty())
            return of_context(value, context, options, contexts);
    }
    auto current = contexts.current();
    if (!current) return Choice{current.error()};
    return of_context(*current, "", options, contexts);
}

}  // namespace gantry::cli
