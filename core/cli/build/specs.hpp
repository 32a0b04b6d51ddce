// The values of --output, --cache-to, --cache-from, --secret and --ssh: "type=local,dest=out" and their short forms.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::cli {

// One --output. `description` goes to the engine; where a file or directory is written here, `target` says so.
struct BuildOutput {
    enum class Target { engine = 1, file, directory, standard_output };
    Target target = Target::engine;
    std::string path;
    Json description;
};
Result<BuildOutput> parse_output(const std::string& text);
// {"type":"registry","ref":..}. Paths become absolute. `option`: "cache-to" or "cache-from".
Result<Json> parse_cache(const std::string& text, std::string_view option);

struct BuildSecret {
    std::string id, file, variable;  // one of file and variable
};
Result<BuildSecret> parse_secret(const std::string& text);
// The value, 500 KiB at most.
Result<std::string> read_secret(const BuildSecret& secret);

struct SshAgent {
    std::string id, socket;
    std::vector<std::string> keys;        // files of private keys, in place of the socket of an agent that runs
    std::shared_ptr<class KeyAgent> own;  // that has them, while it lives
};
// "default", "ID=SOCKET", "ID=KEY[,KEY..]".
Result<SshAgent> parse_ssh(const std::string& text);

}  // namespace gantry::cli
