// Named places of engines, each with its TLS files: our own under ~/.config/gantry/contexts, and docker's, which are only read.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/cli/endpoint.hpp"

namespace gantry::cli {

inline constexpr const char* default_context = "default";

struct Context {
    std::string name, description;
    std::string host;  // "" is the default socket
    bool skip_verify = false;
    // What stands in the TLS files; "" is a file that is not there.
    struct Material {
        std::string ca, certificate, key;
        bool empty() const { return ca.empty() && certificate.empty() && key.empty(); }
    } tls;
    bool dockers = false;             // only read
    std::string meta_path, tls_path;  // where it is kept; "" for the default one

    // With the TLS files where they are kept. GANTRY_INVALID: its host is none.
    Result<Endpoint> endpoint() const;
    // Docker's meta.json: {"Name", "Metadata": {"Description"}, "Endpoints": {"docker": {"Host", "SkipTLSVerify"}}}.
    Json meta() const;
    // Takes what meta() gives. GANTRY_CORRUPT: it is something else, or has no docker endpoint.
    static Result<Context> from_meta(const Json& document);
};

// Letters, digits and "_.+-", the first a letter or a digit, 2 to 128 of them. GANTRY_INVALID.
Result<void> check_context_name(std::string_view name);
// The names of the TLS files in a context's directory and in an exported archive, and where each goes.
struct MaterialFile {
    const char* name;
    std::string Context::Material::*text;
};
extern const MaterialFile material_files[3];
inline constexpr std::size_t material_limit = 1u << 20;

class ContextStore {
public:
    // Where the environment says: $GANTRY_CONFIG, $XDG_CONFIG_HOME/gantry or ~/.config/gantry; docker's in $DOCKER_CONFIG or
    // ~/.docker. Looks at nothing yet.
    ContextStore();
    ContextStore(std::string ours, std::string dockers) : ours_(std::move(ours)), dockers_(std::move(dockers)) {}

    // All, the default one first, the rest by name; ours hide docker's of the same name. One that cannot be read is left out and
    // told of in `problems`.
    std::vector<Context> list(std::vector<std::string>* problems) const;
    // GANTRY_NOT_FOUND: there is none of that name; the message lists those there are.
    Result<Context> find(const std::string& name) const;
    // Writes one of ours, new or in place of the old: directories 0700, files 0600. GANTRY_CONFLICT: the name is one of
    // docker's or the default's.
    Result<void> put(const Context& context) const;
    Result<void> remove(const std::string& name) const;
    // What `use` has chosen; "default" where nothing was chosen.
    Result<std::string> current() const;
    Result<void> set_current(const std::string& name) const;

private:
    Result<Context> read(const std::string& meta_path, const std::string& tls_path, bool dockers) const;
    Result<std::string> need_ours() const;

    std::string ours_, dockers_;  // the directories of configuration; "" where there is none
};

}  // namespace gantry::cli
