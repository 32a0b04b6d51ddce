#include <stdlib.h>

#include "core/base/files.hpp"
#include "core/driver/host_child.hpp"
#include "core/driver/library.hpp"

namespace gantry::driver {
namespace {

// Directories for the one moment that the driver is open.
struct Scratch {
    std::string path;
    Scratch() {
        char name[] = "/tmp/gantry-driver-check-XXXXXX";
        if (const char* made = ::mkdtemp(name)) path = made;
    }
    ~Scratch() {
        if (path.empty()) return;
        if (auto removed = remove_tree(path); !removed) ::rmdir(path.c_str());
    }
};

}  // namespace

Json check_file(const std::string& file, const Settings& settings) {
    Json report{{"file", file}, {"ok", false}, {"checks", Json::array()}, {"description", Json::object()}};
    auto note = [&](const char* name, const Result<void>& result, const std::string& good) {
        report["checks"].push_back(
            {{"name", name}, {"ok", static_cast<bool>(result)}, {"message", result ? good : result.error().text}});
        return static_cast<bool>(result);
    };
    auto outcome = [](const auto& result) { return result ? Result<void>() : Result<void>(result.error()); };

    auto verified = verify_file(file);
    if (!note("file", outcome(verified), "name, owner, mode and ELF header are as needed")) return report;
    auto child = HostChild::start(settings, verified->name);
    if (!note("process", outcome(child), "gantry-driver-host runs")) return report;
    auto described = (*child)->load(verified->path, verified->name);
    if (!note("load", outcome(described), "entry, ABI, name and description are as needed")) return report;
    report["description"] = described->description;
    report["version"] = described->version;

    Scratch scratch;
    // With the configuration's options where it has some for this file, else with the defaults alone.
    Json given = Json::object();
    for (const Wanted& wanted : settings.drivers)
        if ((wanted.use.empty() ? wanted.name : wanted.use) == verified->name) given = wanted.options;
    auto options = validate_options(described->description.value("options", Json::object()), given,
                                    "driver \"" + verified->name + "\"");
    if (!note("options", outcome(options), given.empty() ? "the defaults are valid" : "the configured ones are valid"))
        return report;
    auto tables = (*child)->open(
        {{"engine", settings.engine}, {"root", scratch.path}, {"run", scratch.path}, {"options", *options}});
    if (!note("open", outcome(tables), "")) return report;
    std::string offered;
    for (const std::string& table : *tables) offered += (offered.empty() ? "offers " : ", ") + table;
    report["checks"].back()["message"] = offered;

    const std::string ended = (*child)->end(5'000);
    Result<void> closed;
    if (ended != "exited with status 0") closed = fail(Code::internal, "its process " + ended + " during \"close\"");
    report["ok"] = note("close", closed, "closed and ended");
    return report;
}

}  // namespace gantry::driver
