#include "core/cli/context_store.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/cli/docker_config.hpp"
#include "core/cli/json_access.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t meta_limit = 1u << 20;

std::string variable_or(const char* name, const std::string& otherwise) {
    const char* value = std::getenv(name);
    return value && *value ? std::string(value) : otherwise;
}

std::string text_of_file(const std::string& path) {
    auto text = read_file(path, material_limit);
    return text ? *text : std::string();
}

bool name_character(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

}  // namespace

const MaterialFile material_files[3] = {{"ca.pem", &Context::Material::ca},
                                        {"cert.pem", &Context::Material::certificate},
                                        {"key.pem", &Context::Material::key}};

Result<void> check_context_name(std::string_view name) {
    const bool sound = name.size() >= 2 && name.size() <= 128 && name_character(name[0]) &&
                       std::all_of(name.begin(), name.end(), [](char c) {
                           return name_character(c) || c == '_' || c == '.' || c == '+' || c == '-';
                       });
    if (sound) return {};
    return fail(Code::invalid,
                "context name " + quote_json(name) +
                    " is invalid: 2 to 128 letters, digits and \"_.+-\", beginning with a letter or a digit");
}

Result<Endpoint> Context::endpoint() const {
    auto plain = Endpoint::parse(host);
    if (!plain) return std::move(plain).error().context("context \"" + name + "\"");
    if (name == default_context && host.empty()) return plain;
    plain->may_start = false;
    if (plain->kind != Endpoint::Kind::tcp || (tls.empty() && !skip_verify)) return plain;
    Tls wish;
    wish.on = true;
    wish.verify = !skip_verify;
    if (!tls.ca.empty()) wish.ca = tls_path + "/ca.pem";
    if (!tls.certificate.empty()) wish.certificate = tls_path + "/cert.pem";
    if (!tls.key.empty()) wish.key = tls_path + "/key.pem";
    return plain->with_tls(std::move(wish));
}

Json Context::meta() const {
    Json metadata = Json::object();
    if (!description.empty()) metadata["Description"] = description;
    return {{"Name", name},
            {"Metadata", metadata},
            {"Endpoints", {{"docker", {{"Host", host}, {"SkipTLSVerify", skip_verify}}}}}};
}

Result<Context> Context::from_meta(const Json& document) {
    const Json& docker = member(document, "Endpoints", "docker");
    if (!member(document, "Name").is_string() || !docker.is_object() ||
        (docker.contains("Host") && !docker["Host"].is_string()))
        return fail(
            Code::corrupt,
            "not the description of a context: \"Name\" and \"Endpoints\": {\"docker\": {\"Host\"}} are wanted");
    Context context;
    context.name = text_at(document, "Name");
    context.description = text_at(document, "Metadata", "Description");
    context.host = text_at(docker, "Host");
    context.skip_verify = flag_at(docker, "SkipTLSVerify");
    return context;
}

ContextStore::ContextStore() {
    const std::string home = variable_or("HOME", "");
    ours_ = variable_or("GANTRY_CONFIG", "");
    if (ours_.empty()) {
        std::string base = variable_or("XDG_CONFIG_HOME", home.empty() ? "" : home + "/.config");
        if (base.starts_with('/')) ours_ = base + "/gantry";
    }
    dockers_ = variable_or("DOCKER_CONFIG", home.empty() ? "" : home + "/.docker");
}

Result<Context> ContextStore::read(const std::string& meta_path, const std::string& tls_path, bool dockers) const {
    GANTRY_TRY(std::string text, read_file(meta_path + "/meta.json", meta_limit));
    auto context = Context::from_meta(parse_json(text));
    if (!context) return std::move(context).error().context("\"" + meta_path + "/meta.json\"");
    context->dockers = dockers;
    context->meta_path = meta_path;
    context->tls_path = tls_path;
    for (const MaterialFile& file : material_files) context->tls.*file.text = text_of_file(tls_path + "/" + file.name);
    return context;
}

std::vector<Context> ContextStore::list(std::vector<std::string>* problems) const {
    std::vector<Context> all;
    auto add = [&](Result<Context> context, const std::string& wanted_name) {
        if (!context) {
            if (context.error().code != Code::not_found) problems->push_back(context.error().text);
            return;
        }
        // Of a file that was copied from elsewhere the directory's name is what it is called by.
        if (!wanted_name.empty()) context->name = wanted_name;
        const auto same = [&](const Context& other) { return other.name == context->name; };
        if (check_context_name(context->name) && context->name != default_context &&
            std::none_of(all.begin(), all.end(), same))
            all.push_back(std::move(*context));
    };
    auto entries = [](const std::string& directory) {
        auto names = list_directory(directory);
        return names ? *names : std::vector<std::string>();
    };
    if (!ours_.empty())
        for (const std::string& name : entries(ours_ + "/contexts"))
            add(read(ours_ + "/contexts/" + name, ours_ + "/contexts/" + name, false), name);
    if (!dockers_.empty())
        for (const std::string& digest : entries(dockers_ + "/contexts/meta"))
            add(read(dockers_ + "/contexts/meta/" + digest, dockers_ + "/contexts/tls/" + digest + "/docker", true),
                "");
    std::sort(all.begin(), all.end(), [](const Context& a, const Context& b) { return a.name < b.name; });
    Context standard;
    standard.name = default_context;
    standard.description = "The engine on this host";
    all.insert(all.begin(), std::move(standard));
    return all;
}

Result<Context> ContextStore::find(const std::string& name) const {
    std::vector<std::string> problems, names;
    for (Context& context : list(&problems)) {
        if (context.name == name) return std::move(context);
        names.push_back(context.name);
    }
    // What is there and cannot be read is not missing.
    for (const std::string& problem : problems)
        if (problem.find("/contexts/" + name + "/meta.json") != std::string::npos) return fail(Code::corrupt, problem);
    return fail(Code::not_found, "context " + quote_json(name) + " not found (there are " + join(names, ", ") + ")");
}

Result<std::string> ContextStore::need_ours() const {
    if (!ours_.empty()) return ours_;
    return fail(Code::not_found, "no place for contexts: none of GANTRY_CONFIG, XDG_CONFIG_HOME and HOME is set");
}

Result<void> ContextStore::put(const Context& context) const {
    GANTRY_CHECK(check_context_name(context.name));
    if (context.name == default_context)
        return fail(Code::conflict, "context \"default\" is always there and cannot be changed");
    GANTRY_TRY(std::string ours, need_ours());
    const std::string directory = ours + "/contexts/" + context.name;
    GANTRY_CHECK(make_directories(directory, 0700));
    // The description last: without it the directory is no context.
    for (const MaterialFile& file : material_files) {
        const std::string path = directory + "/" + file.name, &text = context.tls.*file.text;
        if (!text.empty())
            GANTRY_CHECK(write_file_atomic(path, text, 0600));
        else if (::unlink(path.c_str()) != 0 && errno != ENOENT)
            return fail_errno("remove \"" + path + "\"");
    }
    const std::string meta = context.meta().dump(1, '\t', false, Json::error_handler_t::replace);
    return write_file_atomic(directory + "/meta.json", meta + "\n", 0600);
}

Result<void> ContextStore::remove(const std::string& name) const {
    GANTRY_CHECK(check_context_name(name));
    GANTRY_TRY(std::string ours, need_ours());
    const std::string directory = ours + "/contexts/" + name;
    if (::unlink((directory + "/meta.json").c_str()) != 0 && errno != ENOENT)
        return fail_errno("remove \"" + directory + "/meta.json\"");
    return remove_tree(directory);
}

Result<std::string> ContextStore::current() const {
    if (ours_.empty()) return std::string(default_context);
    auto text = read_file(ours_ + "/current-context", 4096);
    if (!text && text.error().code == Code::not_found) return std::string(default_context);
    if (!text) return text.error();
    std::string name(trim(*text));
    return name.empty() ? std::string(default_context) : name;
}

Result<void> ContextStore::set_current(const std::string& name) const {
    GANTRY_TRY(std::string ours, need_ours());
    GANTRY_CHECK(make_directories(ours, 0700));
    return write_file_atomic(ours + "/current-context", name + "\n", 0600);
}

}  // namespace gantry::cli
