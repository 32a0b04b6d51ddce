#include "core/cli/build/specs.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/cli/build/key_agent.hpp"
#include "core/cli/flags.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/mounts.hpp"
#include "core/cli/terminal.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t secret_limit = 500u << 10;

Error invalid(std::string_view option, const std::string& text, const std::string& why) {
    return fail(Code::invalid, "invalid value \"" + text + "\" for --" + std::string(option) + ": " + why);
}

// "a=b,c=d" as an object; keys in lower case, each once.
Result<Json> read_fields(const std::string& text, std::string_view option) {
    auto fields = split_csv(text);
    if (!fields) return invalid(option, text, fields.error().text);
    Json object = Json::object();
    for (const std::string& field : *fields) {
        std::size_t equals = field.find('=');
        if (equals == std::string::npos || equals == 0)
            return invalid(option, text, "\"" + field + "\" is not key=value");
        std::string key = to_lower(trim(field.substr(0, equals)));
        if (object.contains(key)) return invalid(option, text, "\"" + key + "\" is given twice");
        object[key] = field.substr(equals + 1);
    }
    return object;
}

Result<void> one_of(std::string_view option, const std::string& text, const std::string& what, const std::string& value,
                    const std::vector<std::string>& known) {
    if (std::find(known.begin(), known.end(), value) != known.end()) return {};
    std::string near = nearest(value, known);
    return invalid(option, text,
                   what + " \"" + value + "\" is unknown: want " + join(known, ", ") +
                       (near.empty() ? "" : " (did you mean \"" + near + "\"?)"));
}

std::string absolute(const std::string& path) {
    if (path.empty() || path[0] == '/') return path;
    std::string here(4096, '\0');
    if (!::getcwd(here.data(), here.size())) return path;
    here.resize(here.find('\0'));
    return here + "/" + path;
}

}  // namespace

Result<BuildOutput> parse_output(const std::string& text) {
    using Target = BuildOutput::Target;
    if (text.empty()) return invalid("output", text, "it is empty");
    BuildOutput output;
    if (text == "-") {
        output.description = {{"type", "tar"}, {"dest", "-"}};
    } else if (text.find('=') == std::string::npos && text.find(',') == std::string::npos) {
        output.description = {{"type", "local"}, {"dest", text}};
    } else {
        GANTRY_TRY(output.description, read_fields(text, "output"));
    }
    Json& fields = output.description;
    std::string type = text_at(fields, "type"), destination = text_at(fields, "dest");
    if (type.empty()) return invalid("output", text, "\"type\" is missing");
    GANTRY_CHECK(one_of("output", text, "type", type, {"image", "registry", "local", "tar", "oci", "docker"}));
    if (type == "registry") {
        // Docker's short word for an image that is pushed.
        fields["type"] = "image";
        fields["push"] = "true";
    }
    if (type == "image" || type == "registry") {
        if (!destination.empty()) return invalid("output", text, "\"dest\" does not go with type \"" + type + "\"");
        return output;
    }
    const bool directory = type == "local" || text_at(fields, "tar") == "false";
    if (directory) {
        if (destination.empty()) return invalid("output", text, "\"dest\" is required: the directory to write to");
        if (destination == "-") return invalid("output", text, "a directory cannot be written to standard output");
        output.target = Target::directory;
    } else if (destination.empty() && type == "docker") {
        return output;  // into the engine's own images
    } else if (destination.empty() || destination == "-") {
        if (is_terminal(1))
            return invalid("output", text, "\"dest\" is required: an archive is not written to a terminal");
        output.target = Target::standard_output;
        destination = "-";
    } else {
        struct stat info {};
        if (::stat(destination.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
            return invalid("output", text, "\"" + destination + "\" is a directory: want a file");
        output.target = Target::file;
    }
    output.path = destination;
    fields["dest"] = destination == "-" ? destination : absolute(destination);
    return output;
}

Result<Json> parse_cache(const std::string& text, std::string_view option) {
    if (text.empty()) return invalid(option, text, "it is empty");
    // Docker's short form: a reference alone.
    if (text.find('=') == std::string::npos && text.find(',') == std::string::npos)
        return Json{{"type", "registry"}, {"ref", text}};
    GANTRY_TRY(Json fields, read_fields(text, option));
    std::string type = text_at(fields, "type");
    if (type.empty()) return invalid(option, text, "\"type\" is missing");
    if (type == "gha" || type == "s3" || type == "azblob")
        return fail(Code::unsupported, "--" + std::string(option) + ": cache type \"" + type +
                                           "\" is not supported: want registry, local or inline");
    GANTRY_CHECK(one_of(option, text, "type", type, {"registry", "local", "inline"}));
    const bool to = option == "cache-to";
    const std::string where = type == "registry" ? "ref" : type == "inline" ? "" : to ? "dest" : "src";
    std::vector<std::string> known{"type"};
    if (!where.empty()) known.push_back(where);
    if (to) known.insert(known.end(), {"mode", "ignore-error"});
    for (const auto& [key, value] : fields.items()) GANTRY_CHECK(one_of(option, text, "key", key, known));
    if (fields.contains("mode")) GANTRY_CHECK(one_of(option, text, "mode", text_at(fields, "mode"), {"min", "max"}));
    if (type == "inline" && text_at(fields, "mode") == "max")
        return invalid(option, text, "an inline cache holds the result's own steps only: want mode=min");
    if (type == "inline") fields.erase("ignore-error");  // there is nothing that could fail
    if (fields.contains("ignore-error")) {
        auto flag = parse_boolean(text_at(fields, "ignore-error"));
        if (!flag) return invalid(option, text, "\"ignore-error\" is neither true nor false");
        fields["ignore-error"] = *flag ? "true" : "false";
    }
    if (type == "registry" && text_at(fields, "ref").empty()) return invalid(option, text, "\"ref\" is required");
    if (type == "inline" && !to) return invalid(option, text, "an inline cache is read with type=registry,ref=IMAGE");
    if (type == "local") {
        const char* key = to ? "dest" : "src";
        if (text_at(fields, key).empty()) return invalid(option, text, "\"" + std::string(key) + "\" is required");
        fields[key] = absolute(text_at(fields, key));
    }
    return fields;
}

Result<BuildSecret> parse_secret(const std::string& text) {
    GANTRY_TRY(Json fields, read_fields(text, "secret"));
    BuildSecret secret;
    std::string type;
    for (const auto& [key, value] : fields.items()) {
        if (key == "id")
            secret.id = as_text(value);
        else if (key == "src" || key == "source")
            secret.file = as_text(value);
        else if (key == "env")
            secret.variable = as_text(value);
        else if (key == "type")
            type = as_text(value);
        else
            return invalid("secret", text, "unknown key \"" + key + "\": want id, src, env or type");
    }
    if (!type.empty()) GANTRY_CHECK(one_of("secret", text, "type", type, {"file", "env"}));
    if (secret.id.empty()) return invalid("secret", text, "\"id\" is required");
    if (!secret.file.empty() && !secret.variable.empty())
        return invalid("secret", text, "\"src\" and \"env\" exclude each other");
    if (type == "env" && secret.variable.empty())
        secret.variable = secret.file.empty() ? secret.id : std::exchange(secret.file, {});
    if (secret.file.empty() && secret.variable.empty()) {
        // As Docker has it: a variable of that name, else a file.
        if (type.empty() && std::getenv(secret.id.c_str()))
            secret.variable = secret.id;
        else
            secret.file = secret.id;
    }
    if (!secret.file.empty() && ::access(secret.file.c_str(), R_OK) != 0)
        return fail_errno("--secret id=" + secret.id + ": \"" + secret.file + "\"");
    if (!secret.variable.empty() && !std::getenv(secret.variable.c_str()))
        return fail(Code::not_found,
                    "--secret id=" + secret.id + ": the variable \"" + secret.variable + "\" is not set");
    return secret;
}

Result<std::string> read_secret(const BuildSecret& secret) {
    if (secret.variable.empty()) return read_file(secret.file, secret_limit).context("secret \"" + secret.id + "\"");
    const char* value = std::getenv(secret.variable.c_str());
    if (!value)
        return fail(Code::not_found,
                    "secret \"" + secret.id + "\": the variable \"" + secret.variable + "\" is not set");
    std::string text = value;
    if (text.size() > secret_limit) return fail(Code::exhausted, "secret \"" + secret.id + "\" is larger than 500 KiB");
    return text;
}

Result<SshAgent> parse_ssh(const std::string& text) {
    std::size_t equals = text.find('=');
    SshAgent agent;
    agent.id = text.substr(0, equals);
    if (equals != std::string::npos) agent.socket = text.substr(equals + 1);
    if (agent.id.empty()) return invalid("ssh", text, "want default, ID=SOCKET or ID=KEY");
    if (agent.socket.empty()) {
        const char* socket = std::getenv("SSH_AUTH_SOCK");
        if (!socket || !*socket)
            return fail(Code::not_found, "--ssh " + text + ": SSH_AUTH_SOCK is not set: no agent runs");
        agent.socket = socket;
    }
    struct stat info {};
    if (::stat(agent.socket.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) return agent;
    const std::string files = std::exchange(agent.socket, {});
    for (std::string_view key : split(files, ',')) {
        const std::string path(key);
        if (::stat(path.c_str(), &info) != 0) return fail_errno("--ssh " + text + ": \"" + path + "\"");
        if (S_ISSOCK(info.st_mode)) return invalid("ssh", text, "a socket stands alone, without keys beside it");
        GANTRY_TRY(bool is_key, is_private_key(path).context("--ssh " + text));
        if (!is_key)
            return invalid("ssh", text, "\"" + path + "\" is neither the socket of an agent nor a private key");
        agent.keys.push_back(path);
    }
    return agent;
}

}  // namespace gantry::cli
