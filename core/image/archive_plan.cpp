#include "core/image/archive_plan.hpp"

#include <gantry/driver.hpp>
#include <sys/utsname.h>

#include <set>

#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::image {
namespace {

constexpr std::size_t max_layers = 500;

Result<void> want(const Json& object, const char* key, bool (Json::*is)() const noexcept, const char* type) {
    auto found = object.find(key);
    if (found == object.end() || found->is_null() || ((*found).*is)()) return {};
    return fail(Code::invalid, std::string("image config: \"") + key + "\" is not " + type);
}

Result<void> want_strings(const Json& object, const char* key) {
    GANTRY_CHECK(want(object, key, &Json::is_array, "an array"));
    auto found = object.find(key);
    if (found == object.end() || found->is_null()) return {};
    for (const Json& one : *found)
        if (!one.is_string())
            return fail(Code::invalid, std::string("image config: \"") + key + "\" has a member that is not a string");
    return {};
}

bool share_a_tag(const PlannedImage& a, const PlannedImage& b) {
    return std::any_of(a.tags.begin(), a.tags.end(), [&](const std::string& tag) {
        return std::find(b.tags.begin(), b.tags.end(), tag) != b.tags.end();
    });
}

// The manifest of the very same image, if it names the very same files; and what else its names stand for.
void take_manifest(PlannedImage& image, const std::vector<PlannedImage>& described) {
    for (const PlannedImage& other : described) {
        if (other.id != image.id || other.layers.size() != image.layers.size()) continue;
        const bool same = std::equal(
            image.layers.begin(), image.layers.end(), other.layers.begin(),
            [](const PlannedLayer& a, const PlannedLayer& b) { return a.file->digest() == b.file->digest(); });
        if (!same) continue;
        image.manifest = other.manifest;
        image.manifest_text = other.manifest_text;
        image.attestations = other.attestations;
        image.left_out = other.left_out;
        if (!other.index.empty() && share_a_tag(image, other)) {
            image.index = other.index;
            image.index_text = other.index_text;
            image.index_type = other.index_type;
            image.variants = other.variants;
        }
        return;
    }
}

// Only the second form knows of images for several platforms; the first has what stands for them.
Result<std::vector<PlannedImage>> plan_platforms(Spool& spool, const ImageStore::Wanted& platforms) {
    std::vector<PlannedImage> images;
    std::set<std::string> offered;
    auto drop_others = [&] {
        std::erase_if(images, [&](const PlannedImage& image) {
            if (platforms.fits(image.config)) return false;
            offered.insert(member<std::string>(image.config, "os", "linux") + "/" +
                           member<std::string>(image.config, "architecture", "unknown"));
            return true;
        });
    };
    if (spool.find("index.json") != nullptr) {
        GANTRY_TRY(images, plan_oci_layout(spool, platforms));
        drop_others();
    }
    if (images.empty() && spool.find("manifest.json") != nullptr) {
        GANTRY_TRY(images, plan_docker_archive(spool));
        drop_others();
    }
    if (!images.empty()) return images;
    return fail(
        Code::not_found,
        "the archive has no image for " + platforms.text +
            (offered.empty() ? std::string()
                             : ", but for " + join(std::vector<std::string>(offered.begin(), offered.end()), ", ")));
}

}  // namespace

std::string host_architecture() {
    utsname name{};
    ::uname(&name);
    const std::string machine = name.machine;
    if (machine == "x86_64") return "amd64";
    if (machine == "aarch64") return "arm64";
    if (machine == "i686" || machine == "i386") return "386";
    if (machine.starts_with("armv")) return "arm";
    return machine;
}

std::vector<std::string> diff_ids_of(const Json& config) {
    auto rootfs = config.find("rootfs");
    if (rootfs == config.end() || !rootfs->is_object()) return {};
    return member<std::vector<std::string>>(*rootfs, "diff_ids");
}

Result<Json> parse_config(std::string_view text) {
    GANTRY_TRY(Json config, parse_document(text, "image config"));
    if (!config.is_object()) return fail(Code::invalid, "image config: not an object");
    for (const char* foreign : {"manifests", "layers", "fsLayers"})
        if (config.contains(foreign))
            return fail(Code::invalid, std::string("image config: has \"") + foreign + "\", so it is something else");
    GANTRY_CHECK(want(config, "config", &Json::is_object, "an object"));
    GANTRY_CHECK(want(config, "history", &Json::is_array, "an array"));
    GANTRY_CHECK(want(config, "created", &Json::is_string, "a string"));
    GANTRY_CHECK(want(config, "architecture", &Json::is_string, "a string"));
    GANTRY_CHECK(want(config, "os", &Json::is_string, "a string"));
    if (auto inner = config.find("config"); inner != config.end() && inner->is_object()) {
        for (const char* key : {"Env", "Cmd", "Entrypoint", "Shell", "OnBuild"})
            GANTRY_CHECK(want_strings(*inner, key));
        for (const char* key : {"Labels", "Volumes", "ExposedPorts", "Healthcheck"})
            GANTRY_CHECK(want(*inner, key, &Json::is_object, "an object"));
        for (const char* key : {"User", "WorkingDir", "StopSignal"})
            GANTRY_CHECK(want(*inner, key, &Json::is_string, "a string"));
        if (auto labels = inner->find("Labels"); labels != inner->end() && labels->is_object())
            for (const Json& value : *labels)
                if (!value.is_string())
                    return fail(Code::invalid, "image config: \"Labels\" has a member that is not a string");
    }
    if (member<std::string>(config, "os", "linux") != "linux")
        return fail(Code::unsupported,
                    "image config: an image for the operating system " + quote_json(member<std::string>(config, "os")));
    GANTRY_CHECK(want(config, "rootfs", &Json::is_object, "an object"));
    const auto diff_ids = diff_ids_of(config);
    if (diff_ids.size() > max_layers)
        return fail(Code::invalid, "image config: more than " + std::to_string(max_layers) + " layers");
    for (const std::string& diff_id : diff_ids)
        if (!valid_digest(diff_id))
            return fail(Code::invalid, "image config: diff id " + quote_json(diff_id) + " is not a sha256 digest");
    return config;
}

Result<std::vector<PlannedImage>> plan_archive(Spool& spool, const ImageStore::Wanted& platforms) {
    if (platforms.fits) return plan_platforms(spool, platforms);
    const bool has_index = spool.find("index.json") != nullptr;
    if (spool.find("manifest.json") != nullptr) {
        GANTRY_TRY(auto images, plan_docker_archive(spool));
        if (!has_index) return images;
        GANTRY_TRY(auto described, plan_oci_layout(spool));
        for (PlannedImage& image : images) take_manifest(image, described);
        return images;
    }
    if (has_index) {
        GANTRY_TRY(auto images, plan_oci_layout(spool));
        if (images.empty()) return fail(Code::invalid, "index.json: no image for linux/" + host_architecture());
        return images;
    }
    if (spool.find("repositories") != nullptr)
        return fail(
            Code::unsupported,
            "the archive is in the form of Docker before 1.10 (\"repositories\" without \"manifest.json\"), which "
            "is not supported: save the image anew");
    return fail(Code::invalid, "the archive is no image: it has neither \"manifest.json\" nor \"index.json\"");
}

Result<std::vector<PlannedImage>> plan_docker_archive(Spool& spool) {
    GANTRY_TRY(std::string text, spool.text("manifest.json"));
    GANTRY_TRY(Json manifest, parse_document(text, "manifest.json"));
    if (!manifest.is_array() || manifest.empty()) return fail(Code::invalid, "manifest.json: not an array of images");
    if (manifest.size() > 1000) return fail(Code::invalid, "manifest.json: more than 1000 images");
    std::vector<PlannedImage> images;
    for (const Json& item : manifest) {
        if (!item.is_object()) return fail(Code::invalid, "manifest.json: an image that is not an object");
        PlannedImage image;
        GANTRY_TRY(image.config_text, spool.text(clean_relative(member<std::string>(item, "Config"))));
        GANTRY_TRY(image.config, parse_config(image.config_text));
        image.id = digest_of(image.config_text);
        const auto diff_ids = diff_ids_of(image.config);
        const auto layers = member<std::vector<std::string>>(item, "Layers");
        if (layers.size() != diff_ids.size())
            return fail(Code::invalid, "manifest.json: " + std::to_string(layers.size()) +
                                           " layers, but the config lists " + std::to_string(diff_ids.size()));
        for (std::size_t i = 0; i < layers.size(); ++i) {
            BlobWriter* file = spool.find(clean_relative(layers[i]));
            if (file == nullptr) return fail(Code::invalid, "the image archive has no " + quote_json(layers[i]));
            image.layers.push_back({file, diff_ids[i]});
        }
        for (const std::string& tag : member<std::vector<std::string>>(item, "RepoTags")) {
            auto reference = parse_reference(tag);
            if (!reference || reference->tag.empty())
                return fail(Code::invalid, "manifest.json: " + quote_json(tag) + " is not a reference");
            image.tags.push_back(reference->name + ":" + reference->tag);
        }
        images.push_back(std::move(image));
    }
    return images;
}

}  // namespace gantry::image
