#include "core/cli/context_options.hpp"

#include <optional>

#include "core/base/files.hpp"
#include "core/base/text.hpp"

namespace gantry::cli {
namespace {

Result<std::string> read_material(const std::string& key, const std::string& path) {
    auto text = read_file(path, material_limit);
    if (!text) return std::move(text).error().context("--docker " + key);
    if (text->find("-----BEGIN ") == std::string::npos)
        return fail(Code::invalid, "--docker " + key + ": \"" + path + "\" is not a PEM file");
    return text;
}

}  // namespace

void ContextOptions::declare(Flags& flags) {
    flags.text(description, 0, "description", "Description of the context");
    flags.text(docker, 0, "docker",
               "The engine: host=URL and, for tcp://, ca=FILE, cert=FILE, key=FILE,\nskip-tls-verify=BOOL, behind "
               "commas; from=CONTEXT",
               "stringToString");
}

Result<void> ContextOptions::apply(const Flags& flags, Context& context) const {
    if (flags.given("description")) context.description = description;
    if (!flags.given("docker")) return {};
    std::optional<std::string> host;
    Context::Material files;
    bool skip = false;
    for (std::string_view pair : split(docker, ',')) {
        const std::size_t equals = pair.find('=');
        const std::string key(trim(pair.substr(0, equals)));
        if (equals == std::string_view::npos)
            return fail(Code::invalid,
                        "--docker " + quote_json(pair) + ": KEY=VALUE is wanted, such as host=tcp://10.0.0.1:2376");
        const std::string value(pair.substr(equals + 1));
        if (key == "host") {
            host = value;
        } else if (key == "ca") {
            GANTRY_TRY(files.ca, read_material(key, value));
        } else if (key == "cert") {
            GANTRY_TRY(files.certificate, read_material(key, value));
        } else if (key == "key") {
            GANTRY_TRY(files.key, read_material(key, value));
        } else if (key == "skip-tls-verify") {
            auto flag = parse_boolean(value);
            if (!flag)
                return fail(Code::invalid, "--docker skip-tls-verify " + quote_json(value) + " is not a boolean");
            skip = *flag;
        } else if (key == "from") {
            GANTRY_TRY(Context other, ContextStore().find(value));
            host = other.host;
            files = other.tls;
            skip = other.skip_verify;
        } else {
            return fail(Code::invalid, "--docker " + quote_json(key) +
                                           " is unknown: want host, ca, cert, key, skip-tls-verify or from");
        }
    }
    if (!host) return fail(Code::invalid, "--docker needs host=URL");
    if (files.certificate.empty() != files.key.empty())
        return fail(Code::invalid, "--docker needs cert and key together");
    auto endpoint = Endpoint::parse(*host);
    if (!endpoint) return endpoint.error();
    if (endpoint->kind != Endpoint::Kind::tcp && (!files.empty() || skip))
        return fail(Code::invalid, "TLS is for tcp:// hosts, and the host is \"" + endpoint->url() + "\"");
    context.host = host->empty() ? "" : *host;
    context.tls = std::move(files);
    context.skip_verify = skip;
    return {};
}

}  // namespace gantry::cli
