#include "core/driver/library.hpp"

#include <sys/stat.h>

#define BOOST_DLL_USE_STD_FS
#include <boost/dll/shared_library.hpp>

#include <gantry/driver.hpp>

#include "core/driver/kinds.hpp"
#include "core/driver/options.hpp"

namespace gantry::driver {
namespace {

constexpr std::size_t max_description_bytes = 256u << 10;

// Loaded objects by path; never destroyed, so never unmapped.
struct Loaded {
    std::mutex mutex;
    std::map<std::string, std::shared_ptr<const Library>> libraries;
    std::vector<boost::dll::shared_library> handles;
};
Loaded& loaded() {
    static Loaded& instance = *new Loaded;
    return instance;
}

// A C string of the driver's of `limit` bytes at most, for people.
std::string bounded(const char* text, std::size_t limit) {
    return text ? std::string(text, ::strnlen(text, limit)) : std::string();
}

Result<void> check_name(const std::string& where, const gantry_driver_plugin& plugin, const VerifiedFile& file) {
    if (!plugin.name) return fail(Code::invalid, where + " has no name; \"" + file.name + "\" is needed");
    std::string name = bounded(plugin.name, 64);
    if (!valid_driver_name(name))
        return fail(Code::invalid,
                    where + " has name \"" + name + "\"; [a-z][a-z0-9_-]* of 32 bytes at most is needed");
    if (name != file.name)
        return fail(Code::invalid, where + " has name \"" + name + "\"; its file's name needs \"" + file.name + "\"");
    return {};
}

Result<Json> check_description(const std::string& where, const gantry_driver_plugin& plugin, const VerifiedFile& file) {
    gantry_str text = plugin.describe();
    if (!text.ptr || text.len == 0)
        return fail(Code::invalid, where + " describes itself with no text; a JSON object is needed");
    if (text.len > max_description_bytes)
        return fail(Code::invalid, where + " describes itself with " + std::to_string(text.len) + " bytes; " +
                                       std::to_string(max_description_bytes) + " at most are needed");
    Json json = Json::parse(text.ptr, text.ptr + text.len, nullptr, false);
    if (json.is_discarded())
        return fail(Code::invalid, where + " describes itself with text that is not JSON; a JSON object is needed");
    if (!json.is_object())
        return fail(Code::invalid,
                    where + " describes itself with a JSON " + json.type_name() + "; an object is needed");
    const auto kind = member<std::string>(json, "kind");
    if (!kind_of(kind))
        return fail(Code::invalid, where + " describes itself with kind \"" + kind +
                                       "\"; network, volume, layer or runtime is needed");
    if (kind != name_of(file.kind))
        return fail(Code::invalid, where + " describes itself with kind \"" + kind + "\"; its file's name needs \"" +
                                       std::string(name_of(file.kind)) + "\"");
    if (!json.contains("options"))
        return fail(Code::invalid, where + " describes itself without \"options\"; an object is needed");
    GANTRY_CHECK(check_schema(json["options"], where + " describes \"options\", which"));
    if (json.contains("object_options"))
        GANTRY_CHECK(check_schema(json["object_options"], where + " describes \"object_options\", which"));
    return json;
}

Result<std::shared_ptr<const Library>> check(const VerifiedFile& file, const std::string& path,
                                             boost::dll::shared_library& handle) {
    const std::string where = "driver file \"" + path + "\"";
    if (!handle.has(GANTRY_DRIVER_ENTRY))
        return fail(Code::invalid, where + " has no symbol \"" GANTRY_DRIVER_ENTRY "\"; a driver exports it");
    // The symbol is the function itself, so it is read as one and never called through a pointer to data.
    auto& entry = handle.get<const gantry_driver_plugin*(std::uint32_t, std::uint32_t)>(GANTRY_DRIVER_ENTRY);
    const gantry_driver_plugin* plugin = entry(GANTRY_ABI_MAJOR, GANTRY_ABI_MINOR);
    const std::string ours = std::to_string(GANTRY_ABI_MAJOR) + "." + std::to_string(GANTRY_ABI_MINOR);
    if (!plugin) return fail(Code::unsupported, where + " cannot work with an engine of driver ABI " + ours);
    // Nothing but `size` is read before it is known to be there.
    constexpr std::size_t head = offsetof(gantry_driver_plugin, abi_minor);
    if (plugin->size >= head && plugin->abi_major != GANTRY_ABI_MAJOR)
        return fail(Code::unsupported, where + " was made for driver ABI " + std::to_string(plugin->abi_major) + "; " +
                                           std::to_string(GANTRY_ABI_MAJOR) + " is needed");
    if (!GANTRY_HAS(plugin, open))
        return fail(Code::invalid,
                    where + " describes itself in a struct of " + std::to_string(plugin->size) + " bytes; " +
                        std::to_string(offsetof(gantry_driver_plugin, open) + sizeof plugin->open) + " are needed");
    if (!plugin->describe || !plugin->open)
        return fail(Code::invalid,
                    where + " has no function \"" + (plugin->describe ? "open" : "describe") + "\"; it is needed");
    GANTRY_CHECK(check_name(where, *plugin, file));
    GANTRY_TRY(Json description, check_description(where, *plugin, file));
    auto library = std::make_shared<Library>();
    library->file = file;
    library->plugin = plugin;
    library->version = bounded(plugin->version, 128);
    library->description = std::move(description);
    return std::shared_ptr<const Library>(std::move(library));
}

}  // namespace

Result<std::shared_ptr<const Library>> load_library(const std::string& path) {
    GANTRY_TRY(VerifiedFile file, verify_file(path));
    Loaded& all = loaded();
    std::lock_guard lock(all.mutex);
    if (auto found = all.libraries.find(file.path); found != all.libraries.end()) {
        if (found->second->file.inode == file.inode && found->second->file.device == file.device) return found->second;
        // The dynamic linker would give the old object again under the old name, or mix the two.
        return fail(Code::precondition,
                    "driver file \"" + path + "\" was exchanged after it was loaded; a restart loads the new one");
    }
    boost::dll::shared_library handle;
    try {
        // The throwing form: only it carries the dynamic linker's own words.
        handle.load(file.path, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
    } catch (const std::exception& e) {
        return fail(Code::invalid, "driver file \"" + path + "\" cannot be loaded: " + e.what());
    } catch (...) {
        return fail(Code::invalid, "driver file \"" + path + "\" cannot be loaded: it threw while it was");
    }
    // A refused object stays mapped too: its constructors have run.
    all.handles.push_back(handle);
    struct stat now {};
    if (::lstat(file.path.c_str(), &now) != 0 || now.st_ino != file.inode || now.st_dev != file.device)
        return fail(Code::denied, "driver file \"" + path + "\" was exchanged while it was loaded");
    try {
        GANTRY_TRY(auto library, check(file, path, all.handles.back()));
        all.libraries.emplace(file.path, library);
        return library;
    } catch (const std::exception& e) {
        return fail(Code::internal, "driver file \"" + path + "\" threw an exception: " + e.what());
    }
}

}  // namespace gantry::driver
