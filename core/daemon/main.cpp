// gantryd: reads the command line and the configuration, and runs one engine.
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/daemon/detach.hpp"
#include "core/daemon/engine.hpp"
#include "core/daemon/reload.hpp"
#include "core/daemon/signals.hpp"

using namespace gantry;
using namespace gantry::daemon;

namespace {

struct Options {
    std::string config_file, root, run, socket, log_level;
    std::vector<std::string> hosts;
    config::Listen listen;
    bool validate = false, detach = false, trace_start = false, list_failpoints = false, debug = false;
};

int refuse(const Error& error) {
    std::fprintf(stderr, "gantryd: %s\n", error.text.c_str());
    return 1;
}

// They are in answers, which are UTF-8, in messages and in mount tables, which have lines.
Result<void> check_path(const char* option, const std::string& path) {
    const std::string found = std::string(option) + " " + quote_json(path);
    if (!path.starts_with('/')) return fail(Code::invalid, found + ": an absolute path is needed");
    if (std::any_of(path.begin(), path.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
        return fail(Code::invalid, found + ": a path without control characters is needed");
    try {
        (void)Json(path).dump();
    } catch (const Json::exception&) {
        return fail(Code::invalid, found + ": a path in UTF-8 is needed");
    }
    return {};
}

Result<Paths> paths_of(const Options& options) {
    GANTRY_TRY(Paths paths, Paths::find());
    if (!options.root.empty()) paths.root = options.root;
    if (!options.run.empty()) {
        paths.run = options.run;
        paths.socket = options.run + "/gantry.sock";
    }
    if (!options.socket.empty()) paths.socket = options.socket;
    for (const auto& [option, path] :
         {std::pair{"--root", &paths.root}, std::pair{"--run", &paths.run}, std::pair{"--socket", &paths.socket}})
        GANTRY_CHECK(check_path(option, *path));
    return paths;
}

// What gantryd is to its host: no core files with secrets in them, no files others can read by mistake, descriptors for
// many clients, and no easy prey of the out-of-memory killer.
void settle() {
    ::umask(077);
    if (::chdir("/") != 0) log::warn("cannot leave the working directory");
    ::prctl(PR_SET_DUMPABLE, 0);
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)write_file("/proc/self/oom_score_adj", "-500");
    ::signal(SIGPIPE, SIG_IGN);
    // A worker for every request in flight would get an arena each, and what a burst has left in them stays.
    ::mallopt(M_ARENA_MAX, 2);
}

Result<ConfigSource> source_of(const Options& options, const Paths& paths) {
    ConfigSource source;
    source.file = "/etc/gantry/gantry.json";
    if (!options.config_file.empty()) {
        std::error_code wrong;
        source.file = std::filesystem::absolute(options.config_file, wrong);
        if (wrong) return fail(Code::invalid, "--config \"" + options.config_file + "\": " + wrong.message());
        source.missing = config::Missing::is_error;
    }
    source.log_level = options.debug ? "debug" : options.log_level;
    if (!source.log_level.empty() && !log::set_level(source.log_level))
        return fail(Code::invalid, "log level \"" + source.log_level + "\": error, warn, info or debug");
    source.drivers = paths.installed_drivers();
    source.listen = options.listen;
    for (const std::string& text : options.hosts) {
        GANTRY_TRY(config::Host host, config::Host::parse(text));
        source.listen.hosts.push_back(std::move(host));
    }
    // gantryd leaves the directory it was started in, and reads them again.
    for (auto [option, path] : {std::pair{"--tlscacert", &source.listen.ca},
                                {"--tlscert", &source.listen.certificate},
                                {"--tlskey", &source.listen.key}}) {
        if (path->empty()) continue;
        std::error_code wrong;
        *path = std::filesystem::absolute(*path, wrong);
        if (wrong) return fail(Code::invalid, std::string(option) + ": " + wrong.message());
    }
    return source;
}

int serve(const Options& options) {
    auto paths = paths_of(options);
    if (!paths) return refuse(paths.error());
    auto source = source_of(options, *paths);
    if (!source) return refuse(source.error());
    config::Config config;
    // Before anything is begun, and all at once: a file is mended in one go.
    const auto problems =
        read_config(*source, options.validate ? driver::Ask::everything : driver::Ask::options, &config);
    for (const std::string& problem : problems) std::fprintf(stderr, "gantryd: %s\n", problem.c_str());
    if (!problems.empty()) return 1;
    if (options.validate) {
        std::printf("configuration is valid\n");
        return 0;
    }
    log::set_level(config.log_level);
    if (::geteuid() != 0) return refuse(fail(Code::denied, "gantryd must run as root"));
    // Before any thread is made: the only fork of this program, and only with --detach.
    Detached detached;
    if (options.detach) {
        auto result = detach(paths->run + "/gantryd.log", paths->socket);
        if (!result) return refuse(result.error());
        if (result->parent) return result->exit_status;
        detached = std::move(*result);
    }
    settle();
    Signals signals;
    auto engine = Engine::create(config, *paths, options.trace_start ? TraceStart::yes : TraceStart::no);
    if (!engine) {
        detached.failed(engine.error().text);
        return refuse(engine.error());
    }
    signals.watch([&] { (*engine)->stop(); }, [&] { (*engine)->reload(*source); });
    detached.ready();
    log::info("gantryd serves", {{"socket", paths->socket}, {"root", paths->root}, {"run", paths->run}});
    (*engine)->run();
    signals.end();
    engine->reset();
    log::info("gantryd has ended");
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    log::set_program("gantryd");
    Options options;
    CLI::App app{"gantryd: the Gantry container engine"};
    app.set_version_flag("--version", "gantryd " GANTRY_VERSION);
    app.add_option("--config", options.config_file, "configuration file (default /etc/gantry/gantry.json)");
    app.add_option("--root", options.root, "directory for what survives a reboot (default /var/lib/gantry)");
    app.add_option("--run", options.run, "directory for what does not (default /run/gantry)");
    app.add_option("--socket", options.socket, "unix socket of the Engine API (default RUN/gantry.sock)");
    app.add_option("-H,--host", options.hosts,
                   "TCP address to serve besides the socket: tcp://ADDRESS:PORT; may be repeated")
        ->allow_extra_args(false);
    app.add_option("--tlscacert", options.listen.ca,
                   "CA that signs the certificates of clients who may come in by TCP");
    app.add_option("--tlscert", options.listen.certificate, "our certificate for TCP");
    app.add_option("--tlskey", options.listen.key, "its key");
    app.add_option("--log-level", options.log_level, "error, warn, info or debug");
    app.add_flag("-D,--debug", options.debug, "the same as --log-level debug");
    app.add_flag("--validate", options.validate, "check the configuration and exit");
    app.add_flag("--detach", options.detach, "go into the background; return when the socket answers");
    app.add_flag("--trace-start", options.trace_start,
                 "log the microseconds of each step of each start, end and removal");
    app.add_flag("--list-failpoints", options.list_failpoints, "print the failpoints of a test build");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e);
    }
    if (options.list_failpoints) {
        for (std::string_view name : failpoint::names())
            std::printf("%.*s\n", static_cast<int>(name.size()), name.data());
        return 0;
    }
    try {
        return serve(options);
    } catch (const std::exception& e) {
        return refuse(fail(Code::internal, e.what()));
    }
}
