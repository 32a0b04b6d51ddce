// Files as the packets of a synchronisation tell of them, and as the engine's build session does.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::buildkit {

struct FileStat {
    std::string path;        // relative
    std::uint32_t mode = 0;  // Go's os.FileMode
    std::int64_t size = 0, mtime_ns = 0;
    std::string link;
};

// st_mode of a mode of Go's. GANTRY_INVALID: a type of file that no tree can have.
Result<std::uint32_t> unix_mode(std::uint32_t go_mode);

// An item of "entries". GANTRY_INVALID: a name that is not UTF-8, or such a type.
Result<Json> entry_of(const FileStat& stat);

// Values of gRPC metadata are printable ASCII: as they are, or all of them escaped as in the query of a URL (true).
std::pair<std::vector<std::string>, bool> header_values(const std::vector<std::string>& values);

}  // namespace gantry::buildkit
