// gantry-launcher SETTINGS_FD READY_FD: started by gantryd with its settings as JSON behind SETTINGS_FD. Goes into the
// background; one byte at READY_FD says that it answers, a text says why it does not.
#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/monitor/launcher.hpp"
#include "core/monitor/process_title.hpp"

using namespace gantry;

namespace {

// posix_spawn leaves the C library's two private signals ignored, and its sigaction refuses them; every workload would
// inherit that.
void reset_private_signals() {
    const struct {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)();
        unsigned long mask;
    } standard{};
    for (int number : {32, 33}) ::syscall(SYS_rt_sigaction, number, &standard, nullptr, sizeof standard.mask);
}

Result<void> serve(UniqueFd settings_file, UniqueFd& ready) {
    ::fcntl(ready.get(), F_SETFD, FD_CLOEXEC);
    if (::lseek(settings_file.get(), 0, SEEK_SET) < 0) return fail_errno("read the settings");
    GANTRY_TRY(std::string text, read_all(settings_file.get()));
    settings_file.reset();
    Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return fail(Code::invalid, "the settings are not a JSON object");
    GANTRY_TRY(monitor::LauncherSettings settings, monitor::read_settings(json));
    GANTRY_TRY(auto launcher, monitor::Launcher::create(std::move(settings)));
    json = {};
    GANTRY_CHECK(write_all(ready.get(), "\n"));
    ready.reset();
    return launcher->run();
}

}  // namespace

int main(int argc, char** argv) {
    monitor::remember_title_space(argc, argv);
    log::set_program("gantry-launcher");
    // Monitors share this heap until they touch it: one arena, and freed memory goes back.
    ::mallopt(M_ARENA_MAX, 1);
    ::mallopt(M_MMAP_THRESHOLD, 64 << 10);
    ::mallopt(M_TRIM_THRESHOLD, 64 << 10);
    if (argc == 2 && std::string_view(argv[1]) == "--list-failpoints") {
        for (std::string_view name : failpoint::names())
            std::printf("%.*s\n", static_cast<int>(name.size()), name.data());
        return 0;
    }
    auto settings = argc > 2 ? parse_int(argv[1]) : std::nullopt;
    auto ready = argc > 2 ? parse_int(argv[2]) : std::nullopt;
    if (!settings || !ready || *settings < 3 || *ready < 3) {
        log::error("gantry-launcher is started by gantryd, not by hand");
        return 2;
    }
    ::umask(022);
    reset_private_signals();
    if (::chdir("/") != 0) return 1;
    pid_t child = ::fork();
    if (child != 0) ::_exit(child < 0 ? 1 : 0);
    ::setsid();
    monitor::set_process_title("gantry-launcher", "gantry-launcher");
    UniqueFd answer(static_cast<int>(*ready));
    try {
        auto served = serve(UniqueFd(static_cast<int>(*settings)), answer);
        if (served) return 0;
        log::error("gantry-launcher ends", {{"error", served.error().text}});
        if (answer) (void)write_all(answer.get(), served.error().text);
    } catch (const std::exception& e) {
        log::error("gantry-launcher ends", {{"error", e.what()}});
    }
    return 1;
}
