// What documents and layers call themselves (OCI image-spec, media-types.md; Docker's image manifest, version 2, schema 2).
#pragma once
#include <string_view>

namespace gantry::image::media {

inline constexpr std::string_view index = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view manifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view config = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view layer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view layer_gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view layer_zstd = "application/vnd.oci.image.layer.v1.tar+zstd";

inline constexpr std::string_view docker_list = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view docker_manifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view docker_config = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view docker_layer = "application/vnd.docker.image.rootfs.diff.tar";
inline constexpr std::string_view docker_layer_gzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
inline constexpr std::string_view docker_layer_zstd = "application/vnd.docker.image.rootfs.diff.tar.zstd";

// The annotation of an index's entry that speaks about another one and is no image: an attestation.
inline constexpr const char* attestation = "vnd.docker.reference.type";
inline constexpr const char* attestation_manifest = "attestation-manifest";  // its value
// And the one with the digest of the manifest that it speaks about.
inline constexpr const char* attested = "vnd.docker.reference.digest";
// A statement: a layer of an attestation's manifest, with the annotation that says what it states.
inline constexpr std::string_view in_toto = "application/vnd.in-toto+json";
inline constexpr const char* predicate_type = "in-toto.io/predicate-type";

constexpr bool is_index(std::string_view type) { return type == index || type == docker_list; }
constexpr bool is_manifest(std::string_view type) { return type == manifest || type == docker_manifest; }
constexpr bool is_config(std::string_view type) { return type == config || type == docker_config; }
constexpr bool is_layer(std::string_view type) {
    return type == layer || type == layer_gzip || type == layer_zstd || type == docker_layer ||
           type == docker_layer_gzip || type == docker_layer_zstd;
}

}  // namespace gantry::image::media
