// Makes image archives, good and bad: docker-archive and OCI layout.
#pragma once
#include <string>
#include <vector>

#include <gantry/json.hpp>

#include "core/image/digest.hpp"
#include "tests/unit/core/image/compress.hpp"
#include "tests/unit/plugins/storage/tar_maker.hpp"

namespace gantry::test {

// A layer: its plain tar, and how it stands in the archive.
struct LayerBytes {
    std::string plain, stored;
    explicit LayerBytes(std::string tar) : plain(std::move(tar)), stored(plain) {}
    LayerBytes(std::string tar, std::string packed) : plain(std::move(tar)), stored(std::move(packed)) {}
    std::string diff_id() const { return image::digest_of(plain); }
};

inline Json config_for(const std::vector<LayerBytes>& layers) {
    Json diff_ids = Json::array();
    for (const LayerBytes& layer : layers) diff_ids.push_back(layer.diff_id());
    return {
        {"architecture", "amd64"},
        {"os", "linux"},
        {"created", "2024-01-02T03:04:05.5Z"},
        {"config",
         {{"Cmd", Json::array({"/bin/sh"})}, {"Env", Json::array({"PATH=/bin"})}, {"Labels", {{"purpose", "test"}}}}},
        {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}},
        {"history", Json::array({Json{{"created", "2024-01-02T03:04:05Z"}, {"created_by", "ADD file"}},
                                 Json{{"created_by", "CMD"}, {"empty_layer", true}}})}};
}

// docker save's form. `config` and `manifest` may be bent by the caller's functions before they are written.
struct DockerArchive {
    std::vector<LayerBytes> layers;
    Json tags = Json::array({"web:1"});
    Json config = Json(nullptr);
    bool manifest_first = false;

    std::string config_text() const { return (config.is_null() ? config_for(layers) : config).dump(); }
    std::string id() const { return image::digest_of(config_text()); }
    Json manifest() const {
        Json names = Json::array();
        for (const LayerBytes& layer : layers) names.push_back(layer.diff_id().substr(7) + "/layer.tar");
        return Json::array({Json{{"Config", id().substr(7) + ".json"}, {"RepoTags", tags}, {"Layers", names}}});
    }
    std::string tar(const Json& manifest) const { return members(manifest).done(); }
    std::string tar() const { return tar(manifest()); }
    // Ends right behind the content of its last member.
    std::string unpadded_tar() const { return members(manifest()).unpadded(); }

private:
    TarMaker members(const Json& manifest) const {
        TarMaker maker;
        if (manifest_first) maker.file("manifest.json", manifest.dump());
        for (const LayerBytes& layer : layers)
            maker.directory(layer.diff_id().substr(7) + "/")
                .file(layer.diff_id().substr(7) + "/layer.tar", layer.stored);
        maker.file(id().substr(7) + ".json", config_text());
        if (!manifest_first) maker.file("manifest.json", manifest.dump());
        return maker;
    }
};

// An OCI layout, whose parts a test can bend.
struct OciArchive {
    std::vector<LayerBytes> layers;
    std::string name = "oci:2";
    TarMaker maker = {};

    static Json descriptor(const std::string& type, const std::string& bytes) {
        return {{"mediaType", type}, {"digest", image::digest_of(bytes)}, {"size", bytes.size()}};
    }
    Json blob(const std::string& type, const std::string& bytes) {
        maker.file("blobs/sha256/" + image::digest_of(bytes).substr(7), bytes);
        return descriptor(type, bytes);
    }
    Json manifest() {
        Json list = Json::array();
        for (const LayerBytes& layer : layers)
            list.push_back(blob("application/vnd.oci.image.layer.v1.tar", layer.stored));
        return {{"schemaVersion", 2},
                {"mediaType", manifest_type},
                {"config", blob("application/vnd.oci.image.config.v1+json", config_for(layers).dump())},
                {"layers", list}};
    }
    Json index_of(Json descriptor) {
        if (!name.empty()) descriptor["annotations"] = {{"org.opencontainers.image.ref.name", name}};
        return {{"schemaVersion", 2}, {"mediaType", index_type}, {"manifests", Json::array({descriptor})}};
    }
    std::string tar(const Json& index) {
        return TarMaker(maker)
            .file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})")
            .file("index.json", index.dump())
            .done();
    }
    std::string tar() { return tar(index_of(blob(manifest_type, manifest().dump()))); }

    static constexpr const char* manifest_type = "application/vnd.oci.image.manifest.v1+json";
    static constexpr const char* index_type = "application/vnd.oci.image.index.v1+json";
};

}  // namespace gantry::test
