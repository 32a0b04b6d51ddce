#include "core/daemon/detach.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

#include "core/base/files.hpp"
#include "core/base/unix_socket.hpp"

namespace gantry::daemon {

void Detached::ready() {
    if (answer) (void)write_all(answer.get(), "\n");
    answer.reset();
}

void Detached::failed(const std::string& why) {
    if (answer) (void)write_all(answer.get(), why);
    answer.reset();
}

Result<Detached> detach(const std::string& log_file, const std::string& socket) {
    if (connect_unix(socket, SOCK_STREAM)) {
        Detached parent;
        parent.parent = true;
        return parent;
    }
    GANTRY_CHECK(make_directories(log_file.substr(0, log_file.rfind('/')), 0711));
    GANTRY_TRY(UniqueFd log, open_file(log_file, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0640));
    GANTRY_TRY(UniqueFd nothing, open_file("/dev/null", O_RDONLY));
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe");
    UniqueFd reading(ends[0]), writing(ends[1]);
    pid_t child = ::fork();
    if (child < 0) return fail_errno("fork");
    if (child == 0) {
        ::setsid();
        ::dup2(nothing.get(), STDIN_FILENO);
        ::dup2(log.get(), STDOUT_FILENO);
        ::dup2(log.get(), STDERR_FILENO);
        Detached background;
        background.answer = std::move(writing);
        return background;
    }
    writing.reset();
    auto text = read_all(reading.get(), 65536);
    Detached parent;
    parent.parent = true;
    if (text && *text == "\n") return parent;
    std::fprintf(stderr, "gantryd: %s (see %s)\n", text && !text->empty() ? text->c_str() : "it ended before it served",
                 log_file.c_str());
    parent.exit_status = 1;
    return parent;
}

}  // namespace gantry::daemon
