#include <fcntl.h>

#include "core/base/files.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/platform.hpp"
#include "core/cli/progress.hpp"
#include "core/cli/terminal.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

// Sends a file or standard input as a body and leaves the answer's head received and checked.
Result<Connection> upload(Client& client, const std::string& target, int source, bool show) {
    GANTRY_TRY(Connection connection, client.connect());
    bool live = show && can_draw(2);
    std::int64_t shown = 0;
    GANTRY_CHECK(connection.send_from("POST", target, source, "application/x-tar", [&](std::int64_t sent) {
        if (!live || (sent - shown < (8 << 20) && sent != 0)) return;
        shown = sent;
        print_control(2, "\r\x1b[2KSending " + human_size(static_cast<double>(sent)));
    }));
    if (live && shown > 0) print_control(2, "\r\x1b[2K");
    GANTRY_CHECK(connection.receive_head());
    GANTRY_CHECK(connection.check_status());
    return connection;
}

}  // namespace

Result<int> load(Call& call) {
    std::string input;
    bool quiet = false;
    std::vector<std::string> platforms;
    Flags flags;
    flags.text(input, 'i', "input", "Read from tar archive file, instead of STDIN");
    flags.boolean(quiet, 'q', "quiet", "Suppress the load output");
    flags.list(platforms, 0, "platform", "Load only the given platform(s)");
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    UniqueFd file;
    if (!input.empty()) {
        GANTRY_TRY(file, open_file(input, O_RDONLY));
    } else if (is_terminal(0)) {
        return fail(Code::invalid, "requested load from stdin, but stdin is empty");
    }
    std::vector<std::pair<std::string, std::string>> pairs{{"quiet", quiet ? "1" : "0"}};
    for (const std::string& platform : platforms) {
        GANTRY_TRY(std::string value, platform_json(platform));
        pairs.emplace_back("platform", value);
    }
    GANTRY_TRY(Connection answer, upload(call.client(), "/images/load" + query(pairs), file ? file.get() : 0, !quiet));
    GANTRY_CHECK(show_progress(answer, 1));
    return 0;
}

Result<int> import_image(Call& call) {
    std::string message, platform;
    std::vector<std::string> changes;
    Flags flags;
    flags.list(changes, 'c', "change", "Apply Dockerfile instruction to the created image");
    flags.text(message, 'm', "message", "Set commit message for imported image");
    flags.text(platform, 0, "platform", "Set platform if server is multi-platform capable");
    auto args = call.parse(flags, between(1, 2));
    if (!args) return call.exit_code();
    const std::string& source = (*args)[0];
    std::string reference = args->size() > 1 ? (*args)[1] : std::string();
    bool remote = source.starts_with("http://") || source.starts_with("https://");
    std::vector<std::pair<std::string, std::string>> pairs{{"fromSrc", remote ? source : "-"}};
    if (!reference.empty()) pairs.emplace_back("repo", reference);
    if (!message.empty()) pairs.emplace_back("message", message);
    if (!platform.empty()) pairs.emplace_back("platform", platform);
    for (const std::string& change : changes) pairs.emplace_back("changes", change);
    std::string target = "/images/create" + query(pairs);
    if (remote) {
        GANTRY_TRY(Connection answer, call.client().open("POST", target));
        GANTRY_CHECK(show_progress(answer, 1));
        return 0;
    }
    UniqueFd file;
    if (source != "-") {
        GANTRY_TRY(file, open_file(source, O_RDONLY));
    }
    GANTRY_TRY(Connection answer, upload(call.client(), target, file ? file.get() : 0, true));
    GANTRY_CHECK(show_progress(answer, 1));
    return 0;
}

}  // namespace gantry::cli
