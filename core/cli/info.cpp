#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

std::string words(const Json& list) {
    std::string text;
    if (list.is_array())
        for (const Json& item : list) text += (text.empty() ? "" : " ") + as_text(item);
    return text;
}
std::string keys(const Json& object) {
    std::string text;
    if (object.is_object())
        for (const auto& [key, value] : object.items()) text += (text.empty() ? "" : " ") + key;
    return text;
}

}  // namespace

Result<int> info(Call& call) {
    std::string format;
    Flags flags;
    flags.text(format, 'f', "format", "Format output using a custom template: 'json' or 'TEMPLATE'");
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    GANTRY_TRY(Json i, call.client().get("/info"));
    if (!format.empty()) {
        GANTRY_TRY(std::string shown, format_one(i, format));
        print_out(shown + "\n");
        return 0;
    }
    std::string text = "Client:\n Version:    " GANTRY_VERSION "\n\nServer:\n";
    auto add = [&](const char* name, const std::string& value, const char* indent = " ") {
        if (!value.empty()) text += std::string(indent) + name + ": " + value + "\n";
    };
    add("Containers", text_at(i, "Containers"));
    add("Running", text_at(i, "ContainersRunning"), "  ");
    add("Paused", text_at(i, "ContainersPaused"), "  ");
    add("Stopped", text_at(i, "ContainersStopped"), "  ");
    add("Images", text_at(i, "Images"));
    add("Server Version", text_at(i, "ServerVersion"));
    add("Storage Driver", text_at(i, "Driver"));
    add("Logging Driver", text_at(i, "LoggingDriver"));
    add("Cgroup Driver", text_at(i, "CgroupDriver"));
    add("Cgroup Version", text_at(i, "CgroupVersion"));
    text += " Plugins:\n";
    add("Volume", words(member(i, "Plugins", "Volume")), "  ");
    add("Network", words(member(i, "Plugins", "Network")), "  ");
    add("Log", words(member(i, "Plugins", "Log")), "  ");
    add("Runtimes", keys(member(i, "Runtimes")));
    add("Default Runtime", text_at(i, "DefaultRuntime"));
    add("Security Options", words(member(i, "SecurityOptions")));
    add("Kernel Version", text_at(i, "KernelVersion"));
    add("Operating System", text_at(i, "OperatingSystem"));
    add("OSType", text_at(i, "OSType"));
    add("Architecture", text_at(i, "Architecture"));
    add("CPUs", text_at(i, "NCPU"));
    add("Total Memory", human_size_binary(as_real(member(i, "MemTotal"))));
    add("Name", text_at(i, "Name"));
    add("ID", text_at(i, "ID"));
    add("Root Dir", text_at(i, "DockerRootDir"));
    if (member(i, "LiveRestoreEnabled").is_boolean()) add("Live Restore Enabled", text_at(i, "LiveRestoreEnabled"));
    print_out(text);
    const Json& warnings = member(i, "Warnings");
    if (warnings.is_array())
        for (const Json& warning : warnings) print_err(as_text(warning) + "\n");
    return 0;
}

}  // namespace gantry::cli
