#include "core/buildkit/attributes.hpp"

#include "core/base/text.hpp"

namespace gantry::buildkit {
namespace {

using Attributes = std::map<std::string, std::string>;

std::string shown(std::string_view text) { return quote_json(text.substr(0, 200)); }

Error bad_value(std::string_view what, std::string_view value, std::string_view allowed) {
    return fail(Code::invalid,
                "invalid " + std::string(what) + " " + shown(value) + ", allowed: " + std::string(allowed));
}

Error no_subrequests() {
    return fail(Code::unsupported, "--call and --check are not supported over BuildKit: use gantry build --check");
}

Result<std::int64_t> number(std::string_view what, std::string_view value) {
    auto read = parse_int(value);
    if (!read || *read < 0) return bad_value(what, value, "a number");
    return *read;
}

Json texts(std::string_view list) {
    Json out = Json::array();
    for (std::string_view one : split(list, ','))
        if (!one.empty()) out.push_back(std::string(one));
    return out;
}

// "name=address,name=address": the engine's are "name:address".
Result<Json> hosts(std::string_view list) {
    Json out = Json::array();
    for (std::string_view one : split(list, ',')) {
        const std::size_t at = one.find('=');
        if (at == std::string_view::npos || at == 0) return bad_value("add-hosts", one, "NAME=ADDRESS");
        out.push_back(std::string(one.substr(0, at)) + ":" + std::string(one.substr(at + 1)));
    }
    return out;
}

// "nofile=1024:2048,nproc=5"
Result<Json> ulimits(std::string_view list) {
    Json out = Json::array();
    for (std::string_view one : split(list, ',')) {
        const std::size_t at = one.find('=');
        if (at == std::string_view::npos || at == 0) return bad_value("ulimit", one, "NAME=SOFT[:HARD]");
        const std::string_view limits = one.substr(at + 1);
        const std::size_t colon = limits.find(':');
        auto soft = parse_int(limits.substr(0, colon));
        auto hard = colon == std::string_view::npos ? soft : parse_int(limits.substr(colon + 1));
        if (!soft || !hard) return bad_value("ulimit", one, "NAME=SOFT[:HARD]");
        out.push_back({{"Name", std::string(one.substr(0, at))}, {"Soft", *soft}, {"Hard", *hard}});
    }
    return out;
}

// A git repository or a file of the web.
Result<Json> remote(std::string_view address) {
    if (address.starts_with("http://buildkit-session"))
        return fail(Code::unsupported,
                    "a build context from the standard input is not supported over BuildKit: build with "
                    "DOCKER_BUILDKIT=0, or with gantry build");
    const bool web = address.starts_with("http://") || address.starts_with("https://");
    const std::string_view path = address.substr(0, address.find('#'));
    const bool git = address.starts_with("git://") || address.starts_with("git@") || address.starts_with("ssh://") ||
                     address.starts_with("github.com/") || (web && path.ends_with(".git"));
    if (!web && !git)
        return fail(Code::unsupported,
                    "build context " + shown(address) + " is not supported, allowed: a directory, git, http");
    return Json{{"kind", git ? "git" : "http"}, {"url", std::string(address)}};
}

Json local(const std::string& key) { return {{"kind", "local"}, {"key", key}}; }

Result<void> named_context(const std::string& name, const std::string& where, const std::string& key, BuildWish& wish) {
    if (name.find("::") != std::string::npos)
        return fail(Code::unsupported, "build context " + shown(name) + " for one platform is not supported");
    Json& contexts = wish.frame["contexts"];
    if (where.starts_with("docker-image://")) {
        contexts[name] = {{"kind", "image"}, {"reference", where.substr(15)}};
    } else if (where.starts_with("local:")) {
        wish.locals[name] = where.substr(6);
        contexts[name] = local(key);
    } else if (where.starts_with("target:") || where.starts_with("input:")) {
        return fail(Code::unsupported,
                    "build context " + shown(name) + " is what another target builds, which is not supported");
    } else if (where.starts_with("oci-layout://")) {
        return fail(Code::unsupported, "build context " + shown(name) + " is an OCI layout, which is not supported");
    } else {
        GANTRY_TRY(contexts[name], remote(where));
    }
    return {};
}

Result<Json> caches(const std::vector<Typed>& list, const char* option, bool images) {
    Json out = Json::array();
    for (const Typed& cache : list) {
        if (!(images && cache.type == "registry") && !(!images && cache.type == "inline"))
            return fail(Code::unsupported,
                        std::string(option) + ": type " + shown(cache.type) +
                            " is not supported over BuildKit, allowed: " + (images ? "registry" : "inline"));
        Json one{{"type", cache.type}};
        for (const auto& [name, value] : cache.attributes) one[name] = value;
        out.push_back(std::move(one));
    }
    return out;
}

// [{"Type": .., "Attrs": {..}}], as a client's build function passes on what --cache-from says.
Result<void> cache_imports(const std::string& text, BuildWish& wish) {
    const Json list = Json::parse(text, nullptr, false);
    std::vector<Typed> read;
    bool good = list.is_array();
    for (std::size_t i = 0; good && i < list.size(); ++i) {
        const Json type = list[i].is_object() ? list[i].value("Type", Json()) : Json();
        const Json attributes = list[i].is_object() ? list[i].value("Attrs", Json::object()) : Json();
        good = type.is_string() && attributes.is_object();
        if (!good) break;
        Typed one{type, {}};
        for (const auto& [key, value] : attributes.items()) {
            good = good && value.is_string();
            if (good) one.attributes[key] = value;
        }
        read.push_back(std::move(one));
    }
    if (!good) return bad_value("cache-imports", text, "a list of objects with \"Type\" and \"Attrs\"");
    GANTRY_TRY(const Json more, caches(read, "cache-from", true));
    for (const Json& one : more) wish.frame["cache_from"].push_back(one);
    return {};
}

// Attributes whose rest is a name.
Result<bool> prefixed(const std::string& name, const std::string& value, const std::string& key, BuildWish& wish) {
    auto rest = [&](std::string_view prefix) { return name.substr(prefix.size()); };
    if (name.starts_with("build-arg:")) {
        const std::string argument = rest("build-arg:");
        if (argument == "BUILDKIT_SYNTAX" && !value.empty())
            return fail(Code::unsupported,
                        "build argument BUILDKIT_SYNTAX is not supported: the engine reads Dockerfiles itself");
        wish.frame["args"][argument] = value;
    } else if (name.starts_with("label:")) {
        wish.frame["labels"][rest("label:")] = value;
    } else if (name.starts_with("context:")) {
        GANTRY_CHECK(named_context(rest("context:"), value, key, wish));
    } else if (name.starts_with("local-sessionid:")) {
        wish.sessions[rest("local-sessionid:")] = value;
    } else if (name.starts_with("attest:")) {
        return fail(Code::unsupported, "attestations (" + shown(rest("attest:")) + ") are not supported");
    } else {
        return false;
    }
    return true;
}

Result<void> attribute(const std::string& name, const std::string& value, const std::string& key, BuildWish& wish) {
    Json& frame = wish.frame;
    GANTRY_TRY(const bool known, prefixed(name, value, key, wish));
    if (known) return {};
    if (name == "filename") {
        wish.file_name = value;
    } else if (name == "target") {
        frame["target"] = value;
    } else if (name == "no-cache") {
        // Empty: all stages.
        if (value.empty())
            frame["no_cache"] = true;
        else
            frame["no_cache_filter"] = texts(value);
    } else if (name == "platform") {
        frame["platforms"] = texts(value);
        if (frame["platforms"].size() > 1)
            return fail(Code::unsupported,
                        "several platforms in one build are not supported over BuildKit: use gantry build --platform");
    } else if (name == "image-resolve-mode") {
        if (value != "pull" && value != "local" && value != "default")
            return bad_value(name, value, "default, pull, local");
        frame["pull"] = value == "pull";
    } else if (name == "force-network-mode") {
        frame["network"] = value;  // the engine says what is allowed
    } else if (name == "add-hosts") {
        GANTRY_TRY(frame["add_hosts"], hosts(value));
    } else if (name == "ulimit") {
        GANTRY_TRY(frame["ulimits"], ulimits(value));
    } else if (name == "shm-size") {
        GANTRY_TRY(frame["shm_size"], number(name, value));
    } else if (name == "cgroup-parent") {
        frame["cgroup_parent"] = value;
    } else if (name == "context") {
        GANTRY_TRY(frame["context"], remote(value));
    } else if (name == "multi-platform") {
        if (value == "true" || value == "1")
            return fail(Code::unsupported, "an index for one platform (multi-platform) is not supported over BuildKit");
    } else if (name == "requestid" || name == "cmdline") {
        return no_subrequests();
    } else if (name == "dockerfilekey") {
        if (value != "dockerfile") return bad_value(name, value, "dockerfile");
    } else if (name == "frontend.caps") {
        // Which the client wants to be sure of. The contexts are checked one by one.
        for (std::string_view one : split(value, ',')) {
            if (one.starts_with("moby.buildkit.frontend.subrequests")) return no_subrequests();
            if (one != "moby.buildkit.frontend.contexts+forward" && one != "moby.buildkit.frontend.contexts")
                return fail(Code::unsupported, "the front end has no " + shown(one));
        }
    } else if (name == "cache-imports") {
        GANTRY_CHECK(cache_imports(value, wish));
    } else if (!name.starts_with("vcs:")) {
        // Those are for a provenance attestation, of which there is none; a client sends them by itself.
        return fail(Code::unsupported, "attribute " + shown(name) + " of a build is not supported");
    }
    return {};
}

}  // namespace

Result<std::vector<std::string>> image_names(const std::vector<Typed>& exporters) {
    std::vector<std::string> names;
    if (exporters.size() > 1)
        return fail(Code::unsupported, "several outputs of one build are not supported over BuildKit");
    for (const Typed& exporter : exporters) {
        if (exporter.type != "moby")
            return fail(Code::unsupported,
                        "output type " + shown(exporter.type) +
                            " is not supported over BuildKit, allowed: an image of the engine; gantry build "
                            "--output makes others");
        for (const auto& [name, value] : exporter.attributes) {
            if (name == "name") {
                for (std::string_view one : split(value, ','))
                    if (!one.empty()) names.emplace_back(one);
            } else if (name != "push") {  // the client pushes what is built
                return fail(Code::unsupported,
                            "attribute " + shown(name) + " of an output is not supported over BuildKit");
            }
        }
    }
    return names;
}

Result<BuildWish> read_wish(const Attributes& attributes, const SolveWish& solve, const std::string& key) {
    BuildWish wish;
    wish.file_name = "Dockerfile";
    wish.frame = {{"type", "build"},
                  {"args", Json::object()},
                  {"labels", Json::object()},
                  {"contexts", Json::object()},
                  {"cache_from", Json::array()}};
    for (const auto& [name, value] : attributes) GANTRY_CHECK(attribute(name, value, key, wish));
    if (!wish.frame.contains("context")) {
        wish.frame["context"] = local(key);
        wish.locals["context"] = "context";
    } else {
        wish.file_here = attributes.contains("dockerfilekey");
    }
    if (wish.file_name.empty()) return bad_value("filename", "", "the name of a Dockerfile");
    wish.frame["dockerfile_name"] = wish.file_name;
    GANTRY_TRY(wish.frame["tags"], image_names(solve.exporters));
    GANTRY_TRY(const Json imports, caches(solve.cache_from, "cache-from", true));
    for (const Json& one : imports) wish.frame["cache_from"].push_back(one);
    GANTRY_TRY(wish.frame["cache_to"], caches(solve.cache_to, "cache-to", false));
    wish.frame["allow"] = solve.entitlements;
    // Which the client has is known only when it is asked.
    wish.frame["any_secret"] = wish.frame["any_agent"] = true;
    return wish;
}

}  // namespace gantry::buildkit
