#include "core/cli/build/options.hpp"

#include <stdlib.h>

#include <algorithm>

#include "core/base/text.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/build/key_agent.hpp"
#include "core/cli/key_values.hpp"

namespace gantry::cli {
namespace {

// Values of a list option, which may also stand behind commas in one.
std::vector<std::string> flattened(const std::vector<std::string>& given) {
    std::vector<std::string> all;
    for (const std::string& words : given)
        for (std::string_view word : split(words, ','))
            if (!trim(word).empty()) all.emplace_back(trim(word));
    return all;
}

Result<void> known_value(const std::string& value, const char* option, const std::vector<std::string>& known) {
    if (std::find(known.begin(), known.end(), value) != known.end()) return {};
    std::string near = nearest(value, known);
    return fail(Code::invalid, "invalid value \"" + value + "\" for --" + option + ": want " + join(known, ", ") +
                                   (near.empty() ? "" : " (did you mean \"" + near + "\"?)"));
}

// What the engine never makes may be switched off, as scripts do.
void only_off(Flags& flags, const char* name, const char* help) {
    flags.custom(
        [name](std::string_view value) -> Result<void> {
            if (auto flag = parse_boolean(value); flag && !*flag) return {};
            return fail(Code::unsupported, "--" + std::string(name) + " is not supported: only \"false\" is");
        },
        0, name, "string", help);
    flags.value_optional("true");
}

// A name without a value takes the one it has here, or is left out.
Json build_arguments(const std::vector<std::string>& given) {
    Json arguments = Json::object();
    for (const std::string& word : given) {
        std::size_t equals = word.find('=');
        if (equals != std::string::npos)
            arguments[word.substr(0, equals)] = word.substr(equals + 1);
        else if (const char* value = std::getenv(word.c_str()))
            arguments[word] = value;
    }
    return arguments;
}

Result<Json> read_annotations(const std::vector<std::string>& given) {
    Json annotations = Json::object();
    for (std::string word : given) {
        // "manifest:key=value" is the same as "key=value"; the other places have no annotations here.
        std::size_t colon = word.find(':'), equals = word.find('=');
        if (equals == std::string::npos || equals == 0)
            return fail(Code::invalid, "invalid value \"" + word + "\" for --annotation: want [TYPE:]KEY=VALUE");
        if (colon < equals) {
            std::string type = word.substr(0, colon);
            if (type == "index" || type == "manifest-descriptor" || type == "index-descriptor")
                return fail(Code::unsupported,
                            "--annotation \"" + word + "\": annotations of \"" + type + "\" are not supported");
            if (type == "manifest") word.erase(0, colon + 1);
        }
        equals = word.find('=');
        if (equals == std::string::npos || equals == 0)
            return fail(Code::invalid, "invalid value \"" + word + "\" for --annotation: want [TYPE:]KEY=VALUE");
        annotations[word.substr(0, equals)] = word.substr(equals + 1);
    }
    return annotations;
}

}  // namespace

void BuildOptions::declare(Flags& flags) {
    flags.list(hosts, 0, "add-host", "Add a custom host-to-IP mapping (format: \"host:ip\")", "strings");
    flags.list(allow, 0, "allow", "Allow extra privileged entitlement (\"network.host\", \"security.insecure\")",
               "strings");
    flags.list(annotations, 0, "annotation", "Add annotation to the image", "stringArray");
    flags.list(arguments, 0, "build-arg",
               "Set build-time variables; SOURCE_DATE_EPOCH, also from the environment, bounds the times in the image",
               "stringArray");
    flags.list(named_contexts, 0, "build-context", "Additional build contexts (e.g., name=path)", "stringArray");
    flags.list(cache_from_, 0, "cache-from",
               "External cache sources (e.g., \"user/app:cache\", \"type=registry,ref=user/app:cache\",\n"
               "\"type=local,src=path/to/dir\")",
               "stringArray");
    flags.list(
        cache_to_, 0, "cache-to",
        "Cache export destinations (e.g., \"user/app:cache\", \"type=local,dest=path/to/dir\", \"type=inline\");\n"
        "with mode=max the steps of all stages",
        "stringArray");
    flags.text(call, 0, "call", "Set method for evaluating build (\"check\")");
    flags.text(cgroup_parent, 0, "cgroup-parent", "Set the parent cgroup for the \"RUN\" instructions during build");
    flags.boolean(check, 0, "check", "Shorthand for \"--call=check\"");
    flags.text(file, 'f', "file", "Name of the Dockerfile (default: \"PATH/Dockerfile\")");
    flags.text(iidfile, 0, "iidfile", "Write the image ID to a file; of several platforms the digest of the index");
    flags.list(labels, 0, "label", "Set metadata for an image", "stringArray");
    flags.boolean(load, 0, "load", "Shorthand for \"--output=type=docker\"");
    flags.text(metadata_file, 0, "metadata-file", "Write build result metadata to a file");
    network = "default";
    flags.text(network, 0, "network", "Set the networking mode for the \"RUN\" instructions during build");
    flags.boolean(no_cache, 0, "no-cache", "Do not use cache when building the image");
    flags.list(no_cache_filter, 0, "no-cache-filter", "Do not cache specified stages", "stringArray");
    flags.list(outputs_, 'o', "output", "Output destination (format: \"type=local,dest=path\")", "stringArray");
    flags.list(platforms, 0, "platform",
               "Set target platforms for build (e.g., \"linux/amd64,linux/arm64\"); of several an index is made",
               "stringArray");
    progress = "auto";
    flags.text(progress, 0, "progress",
               "Set type of progress output (\"auto\", \"plain\", \"tty\", \"quiet\", \"rawjson\"). Use plain to show\n"
               "container output");
    flags.boolean(pull, 0, "pull", "Always attempt to pull all referenced images");
    flags.boolean(push, 0, "push", "Shorthand for \"--output=type=registry\"");
    only_off(flags, "provenance", "Attestations of the build: not made, \"false\" only");
    only_off(flags, "sbom", "Attestations of the contents: not made, \"false\" only");
    flags.boolean(quiet, 'q', "quiet", "Suppress the build output and print image ID on success");
    flags.list(secrets_, 0, "secret",
               "Secret to expose to the build (format: \"id=mysecret[,src=/local/secret]\"); git sources are\n"
               "shown GIT_AUTH_TOKEN and GIT_AUTH_HEADER, downloads HTTP_AUTH_TOKEN_<host> and HTTP_AUTH_HEADER_<host>",
               "stringArray");
    flags.custom(
        [this](std::string_view value) -> Result<void> {
            auto bytes = parse_size(value);
            if (!bytes) return fail(Code::invalid, "invalid size: '" + std::string(value) + "'");
            shm_size = *bytes;
            return {};
        },
        0, "shm-size", "bytes", "Shared memory size for build containers");
    flags.list(ssh_, 0, "ssh",
               "SSH agent socket or keys to expose to the build (format:\n"
               "\"default|<id>[=<socket>|<key>[,<key>]]\")",
               "stringArray");
    flags.list(tags, 't', "tag", "Name and optionally a tag (format: \"name:tag\")", "stringArray");
    flags.text(target, 0, "target", "Set the target build stage to build");
    flags.list(ulimits, 0, "ulimit", "Ulimit options", "ulimit");
}

Result<void> BuildOptions::finish() {
    if (!call.empty()) GANTRY_CHECK(known_value(call, "call", {"build", "check"}));
    if (call == "check") check = true;
    GANTRY_CHECK(known_value(network, "network", {"default", "none", "host"}));
    GANTRY_CHECK(known_value(progress, "progress", {"auto", "plain", "tty", "quiet", "rawjson"}));
    allow = flattened(allow);
    for (const std::string& entitlement : allow)
        GANTRY_CHECK(known_value(entitlement, "allow", {"network.host", "security.insecure"}));
    platforms = flattened(platforms);
    no_cache_filter = flattened(no_cache_filter);
    for (const std::string& word : arguments)
        if (word.empty() || word[0] == '=')
            return fail(Code::invalid, "invalid value \"" + word + "\" for --build-arg: want NAME=VALUE or NAME");
    for (const std::string& tag : tags)
        if (tag.empty()) return fail(Code::invalid, "invalid value \"\" for --tag: want NAME[:TAG]");
    for (const std::string& text : outputs_) {
        GANTRY_TRY(BuildOutput output, parse_output(text));
        outputs.push_back(std::move(output));
    }
    if (push && load) return fail(Code::invalid, "--push and --load exclude each other");
    // An image among the outputs is the one that is pushed.
    auto is_image = [](const BuildOutput& output) { return output.description["type"] == "image"; };
    if (push && std::none_of(outputs.begin(), outputs.end(), is_image))
        outputs.push_back({{}, {}, {{"type", "image"}}});
    for (BuildOutput& output : outputs) {
        if (!is_image(output)) continue;
        // The engine builds; this side pushes afterwards, with the user's credentials.
        const std::string wanted = output.description.value("push", std::string(push ? "true" : "false"));
        output.description.erase("push");
        auto flag = parse_boolean(wanted);
        if (!flag)
            return fail(Code::invalid, "invalid value \"" + wanted + "\" for \"push\" of --output: want true or false");
        if (!*flag) continue;
        std::vector<std::string> names = tags;
        if (output.description.contains("name")) names = flattened({output.description["name"].get<std::string>()});
        if (names.empty()) return fail(Code::invalid, "a push needs a name to push to: give one with --tag");
        pushes.insert(pushes.end(), names.begin(), names.end());
    }
    if (outputs.empty() && !check)
        outputs.push_back({{}, {}, {{"type", "image"}}});
    else if (load)
        outputs.push_back({{}, {}, {{"type", "docker"}}});
    if (std::count_if(outputs.begin(), outputs.end(),
                      [](const BuildOutput& o) { return o.target == BuildOutput::Target::standard_output; }) > 1)
        return fail(Code::invalid, "only one --output can be written to standard output");
    for (const std::string& text : cache_to_) {
        GANTRY_TRY(Json cache, parse_cache(text, "cache-to"));
        caches_to.push_back(std::move(cache));
    }
    for (const std::string& text : cache_from_) {
        GANTRY_TRY(Json cache, parse_cache(text, "cache-from"));
        caches_from.push_back(std::move(cache));
    }
    for (const std::string& text : secrets_) {
        GANTRY_TRY(BuildSecret secret, parse_secret(text));
        secrets.push_back(std::move(secret));
    }
    for (const std::string& text : ssh_) {
        GANTRY_TRY(SshAgent agent, parse_ssh(text));
        if (!agent.keys.empty()) {
            GANTRY_TRY(agent.own, KeyAgent::start(agent.keys).context("--ssh " + text));
            agent.socket = agent.own->socket();
        }
        agents.push_back(std::move(agent));
    }
    return {};
}

Result<Json> BuildOptions::message() const {
    Json message{{"type", "build"},
                 {"tags", tags},
                 {"args", build_arguments(arguments)},
                 {"target", target},
                 {"platforms", platforms},
                 {"no_cache", no_cache},
                 {"no_cache_filter", no_cache_filter},
                 {"pull", pull},
                 {"cache_to", caches_to},
                 {"cache_from", caches_from},
                 {"network", network},
                 {"shm_size", shm_size},
                 {"allow", allow},
                 {"check", check},
                 {"cgroup_parent", cgroup_parent},
                 {"metadata", !metadata_file.empty()}};
    GANTRY_TRY(message["labels"], read_labels({}, labels));
    GANTRY_TRY(message["annotations"], read_annotations(annotations));
    Json& lists = message;
    for (const char* key : {"outputs", "secrets", "ssh", "add_hosts", "ulimits"}) lists[key] = Json::array();
    for (const BuildOutput& output : outputs) lists["outputs"].push_back(output.description);
    for (const BuildSecret& secret : secrets) lists["secrets"].push_back(secret.id);
    for (const SshAgent& agent : agents) lists["ssh"].push_back(agent.id);
    for (const std::string& host : hosts) {
        GANTRY_TRY(std::string entry, parse_extra_host(host));
        lists["add_hosts"].push_back(entry);
    }
    for (const std::string& text : ulimits) {
        GANTRY_TRY(Json limit, parse_ulimit(text));
        lists["ulimits"].push_back(limit);
    }
    // What the command line says goes before the environment: an empty one is none.
    const Json& args = message["args"];
    const char* epoch = std::getenv("SOURCE_DATE_EPOCH");
    const std::string text = args.contains("SOURCE_DATE_EPOCH") ? text_at(args, "SOURCE_DATE_EPOCH")
                             : epoch                            ? epoch
                                                                : "";
    if (!text.empty()) {
        auto seconds = parse_int(text);
        if (!seconds || *seconds < 0)
            return fail(Code::invalid, "SOURCE_DATE_EPOCH \"" + text + "\" is not a number of seconds since 1970");
        message["source_date_epoch"] = *seconds;
    }
    return message;
}

}  // namespace gantry::cli
