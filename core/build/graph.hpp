// What a build is made of: steps, each over the results of earlier ones. A front end (dockerfile/) makes the graph, the
// solver (solver.hpp) works it off, independent steps side by side. Plain data: no file, no process, no engine.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <gantry/json.hpp>

namespace gantry::build {

// A step, as an index into Graph::steps. A step's inputs are always before it.
using StepId = std::size_t;

struct Platform {
    std::string os = "linux", architecture, variant;  // "amd64", "arm64" with variant "v8", ...
    std::string text() const { return os + "/" + architecture + (variant.empty() ? "" : "/" + variant); }
    bool operator==(const Platform&) const = default;
};

// ---- where files come from: steps without inputs, whose result is a tree that is only read

// The root file system of an image. `reference` is complete, with its registry; `digest` is that of the
// config that was planned with ("sha256:..").
struct ImageSource {
    std::string reference, digest;
    Platform platform;
    bool operator==(const ImageSource&) const = default;
};
// Files of the client: `name` is "context", or that of a --build-context. Only what `paths` names is asked for
// (cleaned paths and filepath.Match patterns relative to the context's root; empty: all), less what `exclude`
// (.dockerignore's lines in their order, comments gone) shuts out.
struct ContextSource {
    std::string name;
    std::vector<std::string> paths, exclude;
    bool operator==(const ContextSource&) const = default;
};
// One file fetched by http or https. `checksum`: "sha256:.." or "". It has mode 0600 and Last-Modified's time.
struct HttpSource {
    std::string url, checksum, file_name;
    bool operator==(const HttpSource&) const = default;
};
// A tree fetched by git. `ref`: branch, tag, commit or "" (HEAD); `checksum`: the commit it must be, or "".
struct GitSource {
    std::string url, ref, subdir, checksum;
    bool keep_git_dir = false;
    bool operator==(const GitSource&) const = default;
};

// ---- steps that change a tree: their result is `base` (nothing: an empty tree) and one layer on it

struct Owner {         // --chown: "user", "user:group", "1000:1000"; names are looked up in the tree that is changed
    std::string text;  // "" leaves it: 0:0 for COPY and ADD
    bool operator==(const Owner&) const = default;
};
struct CopyAction {
    std::optional<StepId> from;  // a source or a stage; none: `inline_files`
    // Paths or filepath.Match patterns within `from`, cleaned and relative ("." is all of it). With `parents` a "/./" in one
    // parts what is left out of the destination from what is not, and "**" stands for any number of directories.
    std::vector<std::string> sources;
    struct InlineFile {
        std::string name, content;
        bool operator==(const InlineFile&) const = default;
    };
    std::vector<InlineFile> inline_files;  // heredocs
    std::string destination;               // absolute; a trailing "/" means a directory
    Owner owner;
    std::string mode;                      // --chmod: octal or symbolic, "" leaves it
    bool parents = false, unpack = false;  // unpack: archives told by their first bytes are unpacked (ADD)
    bool link = false;                     // --link: the layer does not depend on what is below it
    bool allow_nothing = false;            // a pattern that matches nothing is no error
    std::vector<std::string> exclude;
    bool operator==(const CopyAction&) const = default;
};
struct MakeDirectory {  // WORKDIR: with parents, there already is success
    std::string path;
    Owner owner;
    bool operator==(const MakeDirectory&) const = default;
};
struct FileChange {
    std::optional<StepId> base;
    std::vector<std::variant<CopyAction, MakeDirectory>> actions;
    bool operator==(const FileChange&) const = default;
};

struct Mount {
    enum class Kind { bind = 1, cache, tmpfs, secret, ssh, inline_file };
    Kind kind = Kind::bind;
    std::string target;                                    // absolute; "": a secret in a variable only
    std::optional<StepId> from;                            // bind: always; cache: what it begins with
    std::string source;                                    // within `from`, cleaned and relative; "": all of it
    bool writable = false;                                 // what is written to a bind is forgotten
    std::string id;                                        // cache, secret, ssh
    enum class Sharing { shared = 1, exclusive, locked };  // exclusive: "private"
    Sharing sharing = Sharing::shared;
    std::int64_t size = 0;  // tmpfs, bytes; 0: no limit of its own
    std::string env;        // secret: the variable that holds it, beside or instead of the file
    bool required = false;
    std::optional<std::uint32_t> mode;  // cache 0755, secret 0400, ssh 0600
    std::uint32_t uid = 0, gid = 0;
    std::string content;  // inline_file (a heredoc with "#!")
    bool operator==(const Mount&) const = default;
};
struct Exec {
    std::optional<StepId> base;
    std::vector<std::string> argv;
    std::vector<std::string> env;          // "NAME=value", with ARGs; what proxies add is not part of it
    std::vector<std::string> unkeyed_env;  // proxies: given to the process, not part of the cache's key
    std::string workdir, user;             // as the image config has them
    std::vector<Mount> mounts;
    enum class Network { standard = 1, none, host };
    Network network = Network::standard;
    bool insecure = false;  // --security=insecure
    bool operator==(const Exec&) const = default;
};

using Operation = std::variant<ImageSource, ContextSource, HttpSource, GitSource, FileChange, Exec>;

struct Lines {  // of the Dockerfile, from 1; 0: nowhere
    int first = 0, last = 0;
};
struct Step {
    Operation operation;
    std::string name;   // for people: "[web 2/5] RUN pip install flask"
    std::string stage;  // its stage's name or number
    Lines lines;
    bool ignore_cache = false;
    Platform platform;
};

struct Warning {
    std::string rule, message;  // "JSONArgsRecommended"
    Lines lines;
};

// What the target's image shall be.
struct Target {
    std::optional<StepId> result;  // none: an image without a layer
    // The OCI image config without "rootfs": its "history" has an entry for each instruction, those that make a layer
    // without "empty_layer", in the order of `layer_steps`. "created" is absent.
    Json config;
    // The steps whose layers stand above the base image's, in order.
    std::vector<StepId> layer_steps;
    Json base_config;            // the base image's whole config, null for scratch
    std::string base_reference;  // "" for scratch
    Platform platform;           // that was asked for
};

// An instruction of the Dockerfile, for who tells of a build by its instructions.
struct Listed {
    std::string text;  // as it stands there, continuations joined
    Lines lines;
    bool planned = true;              // false in a stage that the target does not need
    std::optional<std::string> base;  // FROM an image: the digest of its config, "" of scratch
    std::size_t triggers = 0;         // FROM: how many the base brings
};

struct Graph {
    std::vector<Step> steps;
    // Up to the target's last one, in their order, with the ARGs before the first FROM. None for several platforms.
    std::vector<Listed> listing;
    Target target;
    std::vector<Target> more;  // for further platforms, each once
    std::vector<Warning> warnings;
    // All of them, in the order in which they were asked for.
    std::vector<const Target*> targets() const {
        std::vector<const Target*> all{&target};
        for (const Target& one : more) all.push_back(&one);
        return all;
    }
};

}  // namespace gantry::build
