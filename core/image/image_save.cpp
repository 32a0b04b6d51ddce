// save: an OCI layout (oci-layout, index.json, blobs/) that is a docker-archive (manifest.json, repositories) as well, as
// Docker writes it since version 25.
#include <sys/stat.h>

#include <gantry/driver.hpp>

#include "core/base/failpoint.hpp"
#include "core/base/text.hpp"
#include "core/image/image_store_impl.hpp"
#include "core/image/media_types.hpp"
#include "core/image/references.hpp"
#include "core/image/save_plan.hpp"

namespace gantry::image {
namespace {

constexpr const char* platform_keys[] = {"os", "architecture", "variant"};

std::string blob_path(const std::string& digest) { return "blobs/sha256/" + std::string(hex_of(digest)); }

std::pair<std::string, std::string> split_tag(const std::string& tag) {
    const std::size_t colon = tag.rfind(':');
    return {tag.substr(0, colon), tag.substr(colon + 1)};
}

std::string index_json(const SavePlan& plan) {
    Json manifests = Json::array();
    auto add = [&](const std::string& type, const std::string& digest, const std::vector<std::string>& tags) {
        Json descriptor{{"mediaType", type}, {"digest", digest}, {"size", plan.blobs.at(digest).size}};
        if (tags.empty()) manifests.push_back(descriptor);
        for (const std::string& full : tags) {
            const auto [name, tag] = split_tag(full);
            descriptor["annotations"] = {{"io.containerd.image.name", qualified_name(name) + ":" + tag},
                                         {"org.opencontainers.image.ref.name", tag}};
            manifests.push_back(descriptor);
        }
    };
    for (const SavedImage& image : plan.images) {
        if (!image.alone) continue;
        if (image.made_index.empty())
            add(image.manifest_type, image.manifest, image.tags);
        else
            add(std::string(media::index), image.made_index, image.tags);
    }
    for (const SavedIndex& index : plan.indexes) add(index.media_type, index.digest, index.tags);
    return Json{{"schemaVersion", 2}, {"mediaType", media::index}, {"manifests", manifests}}.dump();
}

// With the names of an index where the image has to stand for it: this form knows of none.
std::vector<SavedImage> docker_images(const SavePlan& plan) {
    std::vector<SavedImage> images;
    for (SavedImage image : plan.images) {
        bool shown = image.alone;
        for (const SavedIndex& index : plan.indexes) {
            if (index.main != image.id) continue;
            shown = true;
            image.tags.insert(image.tags.end(), index.tags.begin(), index.tags.end());
        }
        if (shown) images.push_back(std::move(image));
    }
    return images;
}

std::string manifest_json(const std::vector<SavedImage>& saved) {
    Json images = Json::array();
    for (const SavedImage& image : saved) {
        Json layers = Json::array(), sources = Json::object();
        for (std::size_t i = 0; i < image.layers.size(); ++i) {
            layers.push_back(blob_path(image.layers[i]["digest"]));
            sources[image.diff_ids[i]] = image.layers[i];
        }
        images.push_back({{"Config", blob_path(image.id)},
                          {"RepoTags", image.tags.empty() ? Json() : Json(image.tags)},
                          {"Layers", std::move(layers)},
                          {"LayerSources", std::move(sources)}});
    }
    return images.dump();
}

std::string repositories_json(const std::vector<SavedImage>& saved) {
    Json repositories = Json::object();
    for (const SavedImage& image : saved)
        for (const std::string& full : image.tags) {
            const auto [name, tag] = split_tag(full);
            if (!image.layers.empty())
                repositories[name][tag] = hex_of(image.layers.back()["digest"].get_ref<const std::string&>());
        }
    return repositories.dump();
}

Result<void> write_text(archive::TarWriter& writer, const std::string& name, const std::string& text) {
    archive::Member member;
    member.name = name;
    member.mode = S_IFREG | 0644;
    member.size = static_cast<std::int64_t>(text.size());
    GANTRY_CHECK(writer.member(member));
    return writer.data(text);
}

Result<void> write_blob(archive::TarWriter& writer, const std::string& digest, const SavedBlob& blob,
                        ByteSource& source) {
    archive::Member member;
    member.name = blob_path(digest);
    member.mode = S_IFREG | 0644;
    member.size = blob.size;
    GANTRY_CHECK(writer.member(member));
    Sha256 hash;
    std::int64_t written = 0;
    std::vector<char> buffer(256u << 10);
    for (;;) {
        GANTRY_TRY(std::size_t n, source.read(buffer.data(), buffer.size()));
        if (n == 0) break;
        hash.update({buffer.data(), n});
        written += static_cast<std::int64_t>(n);
        GANTRY_CHECK(writer.data({buffer.data(), n}));
    }
    // What is on disk may have been damaged since: then the archive shall not be taken for a good one.
    if (written != blob.size || hash.finish() != digest)
        return fail(Code::corrupt, "blob \"" + digest + "\" is damaged");
    return {};
}

bool has_platform(const Image& image, const std::vector<Json>& platforms) {
    if (platforms.empty()) return true;
    return std::any_of(platforms.begin(), platforms.end(), [&](const Json& platform) {
        return std::all_of(std::begin(platform_keys), std::end(platform_keys), [&](const char* key) {
            const auto wanted = member<std::string>(platform, key);
            return wanted.empty() || wanted == member<std::string>(image.config, key);
        });
    });
}

std::string platform_text(const Json& platform) {
    std::string text;
    for (const char* key : platform_keys)
        if (auto part = member<std::string>(platform, key); !part.empty()) text += (text.empty() ? "" : "/") + part;
    return text;
}

// What is to be saved of what a name stands for. Of an index and one platform that is its image alone.
Result<void> add_wish(const std::string& name, const Catalog::Named& found, const std::string& tag,
                      const std::vector<Json>& platforms, SaveWish& wish) {
    std::vector<const Image*> images{found.record.image.get()};
    if (found.index)
        for (const Record& variant : found.index->variants) images.push_back(variant.image.get());
    std::erase_if(images, [&](const Image* image) { return !has_platform(*image, platforms); });
    if (images.empty())
        return fail(Code::not_found, "image with reference " + name +
                                         " was found but does not provide the specified platform (" +
                                         platform_text(platforms.front()) + ")");
    if (!found.index || (images.size() == 1 && !platforms.empty())) {
        auto& tags = wish.images[images.front()->id];
        if (!tag.empty()) tags.insert(tag);
        return {};
    }
    SaveWish::Index& index = wish.indexes[found.index->digest];
    index.media_type = found.index->media_type;
    for (const Image* image : images)
        if (std::find(index.images.begin(), index.images.end(), image->id) == index.images.end())
            index.images.push_back(image->id);
    if (!tag.empty()) index.tags.insert(tag);
    return {};
}

}  // namespace

Result<void> ImageStore::save(const std::vector<std::string>& names, const std::vector<Json>& platforms,
                              const std::function<archive::Sink()>& begin) {
    if (names.empty()) return fail(Code::invalid, "no image to save is named");
    SaveWish wanted;
    for (const std::string& name : names) {
        auto reference = parse_reference(name);
        // A bare name stands for all its tags.
        const bool bare =
            reference && reference->digest.empty() && name.find(':', name.rfind('/') + 1) == std::string::npos;
        std::vector<std::string> tags;
        if (bare)
            for (const auto& image : list())
                for (const std::string& tag : image->tags)
                    if (split_tag(tag).first == reference->name) tags.push_back(tag);
        if (!tags.empty()) {
            for (const std::string& tag : tags) {
                GANTRY_TRY(Catalog::Named found, impl_->catalog.named(tag));
                GANTRY_CHECK(add_wish(name, found, tag, platforms, wanted));
            }
            continue;
        }
        GANTRY_TRY(Catalog::Named found, impl_->catalog.named(name));
        const std::string tag = reference && reference->digest.empty() ? tag_key(*reference) : std::string();
        const auto& its = found.record.image->tags;
        const bool tagged = std::find(its.begin(), its.end(), tag) != its.end();
        GANTRY_CHECK(add_wish(name, found, tagged ? tag : std::string(), platforms, wanted));
    }
    const SaveSources sources{impl_->catalog, impl_->blobs, impl_->layers};
    Pins::Hold hold(impl_->pins);
    GANTRY_TRY(SavePlan plan, plan_save(sources, wanted, hold));

    GANTRY_TRY(auto writer, archive::TarWriter::create(begin()));
    for (const char* name : {"blobs/", "blobs/sha256/"}) {
        archive::Member directory;
        directory.name = name;
        directory.mode = S_IFDIR | 0755;
        GANTRY_CHECK(writer->member(directory));
    }
    for (const auto& [digest, blob] : plan.blobs) {
        GANTRY_TRY(auto source, open_saved(sources, blob));
        GANTRY_CHECK(write_blob(*writer, digest, blob, *source));
        GANTRY_FAILPOINT("image.save.blob_written");
    }
    const std::vector<SavedImage> saved = docker_images(plan);
    GANTRY_CHECK(write_text(*writer, "index.json", index_json(plan)));
    GANTRY_CHECK(write_text(*writer, "manifest.json", manifest_json(saved)));
    GANTRY_CHECK(write_text(*writer, "oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
    GANTRY_CHECK(write_text(*writer, "repositories", repositories_json(saved)));
    return writer->finish();
}

}  // namespace gantry::image
