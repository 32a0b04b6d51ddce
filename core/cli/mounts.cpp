#include "core/cli/mounts.hpp"

#include <unistd.h>

#include <algorithm>

#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"
#include "core/cli/flags.hpp"

namespace gantry::cli {
namespace {

Error wrong_mount(std::string text) { return fail(Code::invalid, std::move(text)); }

Result<bool> boolean_of(const std::string& key, std::string_view value) {
    auto parsed = parse_boolean(value);
    if (!parsed) return wrong_mount("invalid value for " + key + ": " + std::string(value));
    return *parsed;
}

// Options that belong to one type of mount may not stand with another.
Result<void> check_mixed(const Json& mount) {
    std::string type = mount.value("Type", std::string());
    for (const auto& [member, name, owner] :
         {std::tuple("BindOptions", "bind-*", "bind"), std::tuple("VolumeOptions", "volume-*", "volume"),
          std::tuple("TmpfsOptions", "tmpfs-*", "tmpfs"), std::tuple("ImageOptions", "image-*", "image")})
        if (mount.contains(member) && type != owner)
            return wrong_mount(std::string("cannot mix '") + name + "' options with mount type '" + type + "'");
    return {};
}

// The options without a value that mean true.
bool is_switch(std::string_view key) {
    for (std::string_view known : {"readonly", "ro", "volume-nocopy", "bind-nonrecursive", "bind-create-src"})
        if (key == known) return true;
    return false;
}

Result<void> apply_common(Json& mount, const std::string& key, const std::string& value, bool& known) {
    known = true;
    if (key == "type") {
        mount["Type"] = to_lower(value);
    } else if (key == "source" || key == "src") {
        mount["Source"] = value;
    } else if (key == "target" || key == "dst" || key == "destination") {
        mount["Target"] = value;
    } else if (key == "readonly" || key == "ro") {
        GANTRY_TRY(bool on, boolean_of(key, value));
        mount["ReadOnly"] = on;
    } else if (key == "consistency") {
        mount["Consistency"] = to_lower(value);
    } else {
        known = false;
    }
    return {};
}

Result<void> apply_special(Json& mount, const std::string& key, const std::string& value, const std::string& field) {
    if (key == "bind-propagation") {
        mount["BindOptions"]["Propagation"] = to_lower(value);
    } else if (key == "bind-nonrecursive" || key == "bind-create-src") {
        GANTRY_TRY(bool on, boolean_of(key, value));
        mount["BindOptions"][key == "bind-nonrecursive" ? "NonRecursive" : "CreateMountpoint"] = on;
    } else if (key == "bind-recursive") {
        Json& bind = mount["BindOptions"];
        if (value == "enabled")
            bind["NonRecursive"] = false;
        else if (value == "disabled")
            bind["NonRecursive"] = true;
        else if (value == "writable")
            bind["ReadOnlyNonRecursive"] = true;
        else if (value == "readonly")
            bind["ReadOnlyForceRecursive"] = true;
        else
            return wrong_mount("invalid value for bind-recursive: " + value +
                               " (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")");
    } else if (key == "volume-nocopy") {
        GANTRY_TRY(bool on, boolean_of(key, value));
        mount["VolumeOptions"]["NoCopy"] = on;
    } else if (key == "volume-subpath") {
        mount["VolumeOptions"]["Subpath"] = value;
    } else if (key == "volume-label" || key == "volume-opt") {
        std::size_t equals = value.find('=');
        Json& target = key == "volume-label" ? mount["VolumeOptions"]["Labels"]
                                             : mount["VolumeOptions"]["DriverConfig"]["Options"];
        target[value.substr(0, equals)] = equals == std::string::npos ? std::string() : value.substr(equals + 1);
    } else if (key == "volume-driver") {
        mount["VolumeOptions"]["DriverConfig"]["Name"] = value;
    } else if (key == "image-subpath") {
        mount["ImageOptions"]["Subpath"] = value;
    } else if (key == "tmpfs-size") {
        auto size = parse_size(value);
        if (!size) return wrong_mount("invalid value for " + key + ": " + value);
        mount["TmpfsOptions"]["SizeBytes"] = *size;
    } else if (key == "tmpfs-mode") {
        if (value.empty() || value.size() > 6 || value.find_first_not_of("01234567") != std::string::npos)
            return wrong_mount("invalid value for " + key + ": " + value);
        mount["TmpfsOptions"]["Mode"] = std::stoi(value, nullptr, 8);
    } else {
        static const std::vector<std::string> keys{"type",
                                                   "source",
                                                   "src",
                                                   "target",
                                                   "dst",
                                                   "destination",
                                                   "readonly",
                                                   "ro",
                                                   "consistency",
                                                   "bind-propagation",
                                                   "bind-nonrecursive",
                                                   "bind-recursive",
                                                   "bind-create-src",
                                                   "volume-nocopy",
                                                   "volume-subpath",
                                                   "volume-label",
                                                   "volume-opt",
                                                   "volume-driver",
                                                   "image-subpath",
                                                   "tmpfs-size",
                                                   "tmpfs-mode"};
        std::string near = nearest(key, keys);
        return wrong_mount("unexpected key '" + key + "' in '" + field + "'" +
                           (near.empty() ? "" : " (did you mean '" + near + "'?)"));
    }
    return {};
}

}  // namespace

std::string absolute_path(std::string_view path) {
    if (!path.starts_with(".")) return std::string(path);
    char here[4096];
    if (!::getcwd(here, sizeof here)) return std::string(path);
    return "/" + clean_relative(std::string(here) + "/" + std::string(path));
}

Result<std::vector<std::string>> split_csv(std::string_view text) {
    std::vector<std::string> fields;
    std::string field;
    bool quoted = false, was_quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (quoted) {
            if (c != '"')
                field += c;
            else if (i + 1 < text.size() && text[i + 1] == '"')
                field += text[++i];
            else
                quoted = false;
        } else if (c == '"' && field.empty() && !was_quoted) {
            quoted = was_quoted = true;
        } else if (c == '"') {
            return wrong_mount("bare \" in non-quoted field");
        } else if (c == ',') {
            fields.push_back(std::exchange(field, {}));
            was_quoted = false;
        } else {
            field += c;
        }
    }
    if (quoted) return wrong_mount("extraneous or missing \" in quoted-field");
    fields.push_back(std::move(field));
    return fields;
}

Result<VolumeArgument> parse_volume(std::string_view specification) {
    std::string text(specification);
    if (text.empty()) return wrong_mount("invalid empty volume spec");
    std::vector<std::string_view> parts = split(specification, ':');
    if (parts.size() > 3) return wrong_mount("invalid spec: " + text + ": too many colons");
    for (std::string_view part : parts)
        if (part.empty()) return wrong_mount("invalid spec: " + text + ": empty section between colons");
    if (parts.size() == 1) {
        if (!text.starts_with("/"))
            return wrong_mount("invalid volume specification: '" + text + "': \"" + text +
                               "\" is not an absolute path");
        return VolumeArgument{true, text};
    }
    if (!parts[1].starts_with("/"))
        return wrong_mount("invalid volume specification: '" + text +
                           "': invalid mount config: mount path must be absolute");
    std::string bind = absolute_path(parts[0]) + ":" + std::string(parts[1]);
    if (parts.size() == 3) bind += ":" + std::string(parts[2]);
    return VolumeArgument{false, bind};
}

Result<Json> parse_mount(std::string_view specification) {
    std::string text(specification);
    if (trim(text).empty()) return wrong_mount("value is empty");
    GANTRY_TRY(std::vector<std::string> fields, split_csv(specification));
    Json mount{{"Type", "volume"}};
    for (const std::string& field : fields) {
        std::size_t equals = field.find('=');
        std::string key = to_lower(field.substr(0, equals));
        if (equals == std::string::npos && !is_switch(key))
            return wrong_mount("invalid field '" + field + "' must be a key=value pair");
        std::string value = equals == std::string::npos ? "true" : field.substr(equals + 1);
        bool known = false;
        GANTRY_CHECK(apply_common(mount, key, value, known));
        if (!known) GANTRY_CHECK(apply_special(mount, key, value, field));
    }
    std::string type = mount.value("Type", std::string());
    if (type.empty()) return wrong_mount("type is required");
    if (mount.value("Target", std::string()).empty()) return wrong_mount("target is required");
    GANTRY_CHECK(check_mixed(mount));
    if (type == "bind" && mount.contains("Source"))
        mount["Source"] = absolute_path(mount.value("Source", std::string()));
    return mount;
}

bool is_cdi_device(std::string_view specification) {
    std::size_t equals = specification.find('=');
    std::size_t slash = specification.find('/');
    return !specification.starts_with("/") && equals != std::string_view::npos && slash != std::string_view::npos &&
           slash < equals;
}

Result<Json> parse_device(std::string_view specification) {
    std::vector<std::string_view> parts = split(specification, ':');
    auto is_mode = [](std::string_view text) {
        return !text.empty() && text.size() <= 3 && text.find_first_not_of("rwm") == std::string_view::npos;
    };
    if (parts[0].empty() || parts.size() > 3)
        return wrong_mount("invalid device specification: " + std::string(specification));
    std::string host(parts[0]), inside = host, mode = "rwm";
    if (parts.size() == 3) {
        inside = parts[1];
        mode = parts[2];
        if (!is_mode(mode)) return wrong_mount("bad mode specified: " + mode);
    } else if (parts.size() == 2) {
        if (is_mode(parts[1]))
            mode = parts[1];
        else
            inside = parts[1];
    }
    if (!inside.starts_with("/")) return wrong_mount("bad format for path: " + std::string(specification));
    return Json{{"PathOnHost", host}, {"PathInContainer", inside}, {"CgroupPermissions", mode}};
}

}  // namespace gantry::cli
