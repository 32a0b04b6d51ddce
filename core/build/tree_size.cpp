#include "core/build/tree_size.hpp"

#include <fts.h>
#include <sys/stat.h>

#include <memory>

namespace gantry::build {

std::int64_t tree_size(const std::string& path) {
    std::string name = path;
    char* const names[] = {name.data(), nullptr};
    std::unique_ptr<FTS, int (*)(FTS*)> walk(::fts_open(names, FTS_PHYSICAL | FTS_NOCHDIR, nullptr), ::fts_close);
    if (!walk) return 0;
    std::int64_t bytes = 0;
    while (const FTSENT* entry = ::fts_read(walk.get()))
        if (entry->fts_info == FTS_F) bytes += entry->fts_statp->st_size;
    return bytes;
}

}  // namespace gantry::build
