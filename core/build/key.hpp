// Keys of the cache: a digest over what a step does and what it does it to. The same key means the same result.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "core/build/graph.hpp"

namespace gantry::build {

// What a key is made of beside the operation itself.
struct KeyInputs {
    std::string base;                         // Value::identity() of the base, "" for none
    std::map<std::size_t, std::string> from;  // identity, or digest of the files taken, by place of the action or mount
    std::vector<std::string> hosts;           // --add-host, for an Exec
    std::string platform;                     // "linux/amd64"
    std::int64_t epoch = -1;                  // SOURCE_DATE_EPOCH, -1 for none: times in the layer are clamped to it
};

// "sha256:..". Of an Exec: without unkeyed_env, and without anything of a secret's or agent's content.
std::string key_of(const FileChange& change, const KeyInputs& inputs);
std::string key_of(const Exec& exec, const KeyInputs& inputs);

}  // namespace gantry::build
