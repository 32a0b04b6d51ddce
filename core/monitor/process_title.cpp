#include "core/monitor/process_title.hpp"

#include <sys/prctl.h>

#include <cstring>

extern char** environ;

namespace gantry::monitor {
namespace {
char* space = nullptr;
std::size_t space_bytes = 0;
}  // namespace

void remember_title_space(int argc, char** argv) {
    if (argc < 1 || !argv[0]) return;
    char* end = argv[0];
    auto extend = [&](char* text) {
        if (text == end) end += std::strlen(text) + 1;
    };
    for (int i = 0; i < argc; ++i) extend(argv[i]);
    for (char** variable = environ; variable && *variable; ++variable) {
        extend(*variable);
        *variable = ::strdup(*variable);
    }
    space = argv[0];
    space_bytes = static_cast<std::size_t>(end - space);
}

void set_process_title(const char* name, const std::string& title) {
    ::prctl(PR_SET_NAME, name);
    if (space_bytes < 2) return;
    std::memset(space, 0, space_bytes);
    std::memcpy(space, title.data(), std::min(title.size(), space_bytes - 1));
}

}  // namespace gantry::monitor
