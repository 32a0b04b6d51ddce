// What a BuildKit client asks for, in the words of the engine's own build session (core/build/PROTOCOL.md).
#pragma once
#include <map>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::buildkit {

// An exporter, or a cache: a type and what goes with it.
struct Typed {
    std::string type;
    std::map<std::string, std::string> attributes;
};

// Of the call that begins a build.
struct SolveWish {
    std::vector<Typed> exporters, cache_to, cache_from;
    std::vector<std::string> entitlements;
};

struct BuildWish {
    Json frame;             // {"type":"build", ...}, without what stands in the client's files
    std::string file_name;  // of the Dockerfile
    bool file_here = true;  // it is the client's, in the directory "dockerfile"; false: the context's
    std::map<std::string, std::string> locals;  // contexts by the engine's name: what the client calls the directory
    // Of directories by that: the session that serves them, where it is another than the build's.
    std::map<std::string, std::string> sessions;
};

// `attributes`: of the front end "dockerfile.v0". `key`: names the client's directories for the engine to keep them.
// GANTRY_UNSUPPORTED, GANTRY_INVALID: one line that names the attribute; nothing is left out in silence.
Result<BuildWish> read_wish(const std::map<std::string, std::string>& attributes, const SolveWish& solve,
                            const std::string& key);

// What an exporter of this type makes here, checked ahead of the build: an image of the engine, and its names.
Result<std::vector<std::string>> image_names(const std::vector<Typed>& exporters);

}  // namespace gantry::buildkit
