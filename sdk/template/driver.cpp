// A volume driver to start from: each volume is a directory under the driver's root. Rename "example" here and in
// CMakeLists.txt; the name in the macro below, the one in gantry_add_driver and the file's must be the same.
#include <fcntl.h>
#include <sys/stat.h>

#include <mutex>
#include <set>

#include <gantry/volume.hpp>

namespace {

using namespace gantry;

class Example final : public VolumeDriver {
public:
    // What users may set: "options" of the driver (gantry.json), "object_options" of each volume (--opt). The engine checks
    // them before this driver sees them.
    static Json describe() {
        return {{"summary", "volumes as plain directories"},
                {"options",
                 {{"mode",
                   {{"type", "string"},
                    {"values", {"private", "shared"}},
                    {"default", "private"},
                    {"help", "who may read the volumes"}}}}},
                {"object_options", Json::object()}};
    }
    static Result<std::unique_ptr<Example>> create(Host host, const DriverConfig& config) {
        if (config.root.empty()) return fail(Code::invalid, "no root directory was given");
        const mode_t mode = config.options.value("mode", "private") == "shared" ? 0755 : 0700;
        return std::make_unique<Example>(host, config.root, mode);
    }
    Example(Host host, std::string root, mode_t mode) : host_(host), root_(std::move(root)), mode_(mode) {}

    // Asked again for a volume that is there, ensure gives the same answer.
    Result<std::string> ensure(Call&, const VolumeSpec& volume) override {
        GANTRY_TRY(std::string path, path_of(volume));
        if (::mkdir(path.c_str(), mode_) != 0 && errno != EEXIST)
            return fail_errno("make volume \"" + volume.name + "\"");
        return path;
    }
    // Removing what is gone succeeds; what is in use is not removed.
    Result<void> remove(Call&, const VolumeSpec& volume) override {
        GANTRY_TRY(std::string path, path_of(volume));
        std::lock_guard lock(mutex_);
        for (const auto& [name, consumer] : published_)
            if (name == volume.name)
                return fail(Code::busy, "volume \"" + volume.name + "\" is used by \"" + consumer + "\"");
        // A real driver deletes what is inside, by descriptor and without following links.
        if (::rmdir(path.c_str()) != 0 && errno != ENOENT) return fail_errno("remove volume \"" + volume.name + "\"");
        return {};
    }
    Result<State> inspect(Call&, const VolumeSpec& volume) override {
        GANTRY_TRY(std::string path, path_of(volume));
        struct stat info {};
        State state;
        if (::stat(path.c_str(), &info) != 0) return state;
        state.state = "ready";
        state.path = path;
        return state;
    }
    Result<std::vector<std::string>> list(Call&) override {
        return fail(Code::unsupported, "the engine's list is the only one");
    }
    Result<UniqueFd> publish(Call&, const VolumeSpec& volume, const std::string& consumer, bool) override {
        GANTRY_TRY(std::string path, path_of(volume));
        UniqueFd directory(::open(path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!directory) return fail_errno("open volume \"" + volume.name + "\"");
        std::lock_guard lock(mutex_);
        published_.insert({volume.name, consumer});
        host_.log(LogLevel::debug, "volume " + volume.name + " goes to " + consumer);
        return directory;
    }
    Result<void> unpublish(Call&, const VolumeSpec& volume, const std::string& consumer) override {
        std::lock_guard lock(mutex_);
        published_.erase({volume.name, consumer});
        return {};
    }

private:
    // A name becomes one component of a path, or nothing.
    Result<std::string> path_of(const VolumeSpec& volume) const {
        if (volume.name.empty() || volume.name == "." || volume.name == ".." ||
            volume.name.find('/') != std::string::npos)
            return fail(Code::invalid, "volume name \"" + volume.name + "\" is not a file name");
        return root_ + "/" + volume.name;
    }

    Host host_;
    std::string root_;
    mode_t mode_;
    std::mutex mutex_;
    std::set<std::pair<std::string, std::string>> published_;
};

}  // namespace

GANTRY_VOLUME_DRIVER(Example, "example", "0.1.0")
