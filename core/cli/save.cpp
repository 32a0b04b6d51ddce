// save and export.
#include "core/cli/save.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/files.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/platform.hpp"
#include "core/cli/terminal.hpp"

namespace gantry::cli {
namespace {

// A regular file is written beside and renamed; what is something else (a FIFO, /dev/null) is written as it is.
Result<void> save_file(Connection& answer, const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
        if (S_ISDIR(info.st_mode)) return fail(Code::invalid, "\"" + path + "\" is a directory");
        GANTRY_TRY(UniqueFd file, open_file(path, O_WRONLY));
        return copy_body(answer, file.get());
    }
    const std::string part = path + ".part-" + std::to_string(::getpid());
    GANTRY_TRY(UniqueFd file, open_file(part, O_WRONLY | O_CREAT | O_EXCL));
    auto done = copy_body(answer, file.get());
    if (done && ::close(file.release()) != 0) done = fail_errno("write \"" + path + "\"");
    if (done && ::rename(part.c_str(), path.c_str()) != 0) done = fail_errno("rename to \"" + path + "\"");
    if (!done) ::unlink(part.c_str());
    return done;
}

}  // namespace

Result<void> copy_body(Connection& answer, int to) {
    for (;;) {
        GANTRY_TRY(std::string piece, answer.receive_some());
        if (piece.empty()) return {};
        GANTRY_CHECK(write_all(to, piece));
    }
}

Result<void> save_body(Client& client, const std::string& target, const std::string& path) {
    if (path.empty() && is_terminal(1))
        return fail(Code::invalid, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    GANTRY_TRY(Connection answer, client.open("GET", target));
    return path.empty() ? copy_body(answer, 1) : save_file(answer, path);
}

Result<int> save(Call& call) {
    std::string output;
    std::vector<std::string> platforms;
    Flags flags;
    flags.text(output, 'o', "output", "Write to a file, instead of STDOUT");
    flags.list(platforms, 0, "platform", "Save only the given platform(s). Formatted as \"os[/arch[/variant]]\"");
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const std::string& name : *args) pairs.emplace_back("names", name);
    for (const std::string& platform : platforms) {
        GANTRY_TRY(std::string value, platform_json(platform));
        pairs.emplace_back("platform", value);
    }
    GANTRY_CHECK(save_body(call.client(), "/images/get" + query(pairs), output));
    return 0;
}

Result<int> export_container(Call& call) {
    std::string output;
    Flags flags;
    flags.text(output, 'o', "output", "Write to a file, instead of STDOUT");
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    GANTRY_CHECK(save_body(call.client(), "/containers/" + path_escape((*args)[0]) + "/export", output));
    return 0;
}

}  // namespace gantry::cli
