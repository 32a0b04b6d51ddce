#include "core/buildkit/engine_line.hpp"

#include <sys/socket.h>

namespace gantry::buildkit {

Result<UniqueFd> EngineLine::open_build() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return fail_errno("make a socket pair");
    UniqueFd ours(ends[0]), theirs(ends[1]);
    GANTRY_CHECK(send({{"type", "build"}}, {theirs.get()}).context("reach the engine"));
    return ours;
}

}  // namespace gantry::buildkit
