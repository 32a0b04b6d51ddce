#include "core/base/failpoint.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>

#include "core/base/files.hpp"
#include "core/base/text.hpp"

namespace gantry::failpoint {
namespace {
std::set<std::string_view>& table() {
    static std::set<std::string_view> names;
    return names;
}
}  // namespace

Registered::Registered(const char* name) { table().insert(name); }

std::vector<std::string_view> names() { return {table().begin(), table().end()}; }

Result<void> hit(std::string_view name) {
    const char* wanted = std::getenv("GANTRY_FAILPOINT");
    if (!wanted) return {};
    for (std::string_view item : split(wanted, ';')) {
        std::size_t equals = item.find('=');
        if (equals == std::string_view::npos || item.substr(0, equals) != name) continue;
        std::string_view action = item.substr(equals + 1);
        if (action == "kill") {
            ::kill(::getpid(), SIGKILL);
            ::pause();
        }
        if (action == "error") return fail(Code::internal, "failpoint \"" + std::string(name) + "\"");
        if (action == "enospc") return fail_errno("failpoint \"" + std::string(name) + "\"", ENOSPC);
        if (action.starts_with("delay:"))
            ::usleep(static_cast<useconds_t>(parse_int(action.substr(6)).value_or(0) * 1000));
        if (action.starts_with("pause:")) {
            const std::string gate(action.substr(6));
            UniqueFd reached(::open((gate + ".reached").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
            while (!path_exists(gate)) ::usleep(1000);
        }
    }
    return {};
}

}  // namespace gantry::failpoint
