#include <fcntl.h>
#include <sys/wait.h>

#include "core/cli/client.hpp"
#include "core/cli/programs.hpp"
#include "core/cli/spawn.hpp"

extern char** environ;

namespace gantry::cli {

Result<void> start_daemon() {
    std::string program = find_program("gantryd");
    if (program.empty())
        return fail(Code::not_found,
                    std::string("Cannot connect to the Gantry daemon at unix://") + default_socket +
                        ". Is the daemon running? (no gantryd beside this program, in /usr/lib/gantry or /usr/bin)");
    Spawn spawn;
    ::posix_spawn_file_actions_addopen(spawn.actions(), 0, "/dev/null", O_RDONLY, 0);
    // Its log goes where it was configured to; our standard output belongs to the command.
    ::posix_spawn_file_actions_adddup2(spawn.actions(), 2, 1);
    char detach[] = "--detach";
    char* arguments[] = {program.data(), detach, nullptr};
    pid_t pid = 0;
    int error = ::posix_spawn(&pid, program.c_str(), spawn.actions(), spawn.attributes(), arguments, environ);
    if (error != 0) return fail_errno("start \"" + program + "\"", error);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return fail_errno("wait for \"" + program + "\"");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    return fail(Code::internal, "the daemon \"" + program + "\" could not be started: " +
                                    (WIFEXITED(status) ? "exit code " + std::to_string(WEXITSTATUS(status))
                                                       : "signal " + std::to_string(WTERMSIG(status))));
}

}  // namespace gantry::cli
