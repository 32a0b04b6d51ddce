#include "init.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "kernel.hpp"

namespace gantry::native {

void name_init() {
    constexpr char title[] = "gantry-init";
    (void)::prctl(PR_SET_NAME, title, 0, 0, 0);
    const auto text = read_at(AT_FDCWD, "/proc/self/stat");
    if (!text) return;
    // Fields 48 and 49, counted from behind the name, which may hold anything: arg_start and arg_end.
    const auto after = text->rfind(')');
    if (after == std::string::npos) return;
    const auto words = split(std::string_view(*text).substr(after + 2), ' ');
    if (words.size() < 47) return;
    const auto begin = std::strtoull(std::string(words[45]).c_str(), nullptr, 10),
               end = std::strtoull(std::string(words[46]).c_str(), nullptr, 10);
    if (begin == 0 || end <= begin) return;
    char* arguments = reinterpret_cast<char*>(begin);
    const std::size_t size = end - begin;
    std::memset(arguments, 0, size);
    std::memcpy(arguments, title, std::min(size - 1, sizeof title));
}

void run_init(pid_t child) {
    sigset_t all;
    ::sigfillset(&all);
    while (true) {
        siginfo_t got{};
        const int number = ::sigwaitinfo(&all, &got);
        if (number < 0) continue;
        if (number != SIGCHLD) {
            // The terminal's own stops are for the program's group; nobody would wake this process again.
            if (number != SIGTTIN && number != SIGTTOU) (void)::kill(child, number);
            continue;
        }
        int status = 0;
        pid_t ended = 0;
        while ((ended = ::waitpid(-1, &status, WNOHANG)) > 0)
            if (ended == child) ::_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
        if (ended < 0 && errno == ECHILD) ::_exit(0);
    }
}

}  // namespace gantry::native
