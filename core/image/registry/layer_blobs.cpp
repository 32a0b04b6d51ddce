#include "core/image/registry/layer_blobs.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <gantry/driver.hpp>

#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/media_types.hpp"
#include "core/image/registry/gzip.hpp"

namespace gantry::image::registry {
namespace {

constexpr std::size_t block_bytes = 256u << 10;

Result<void> compress(ByteSource& from, BlobWriter& to, const std::string& diff_id, const Cancelled& cancelled) {
    Gzip gzip([&to](std::string_view bytes) { return to.write(bytes); });
    Sha256 plain;
    std::vector<char> buffer(block_bytes);
    for (;;) {
        if (cancelled && cancelled()) return fail(Code::cancelled, "the push is cancelled");
        GANTRY_TRY(std::size_t n, from.read(buffer.data(), buffer.size()));
        plain.update({buffer.data(), n});
        GANTRY_CHECK(gzip.write({buffer.data(), n}, n == 0));
        if (n == 0) break;
    }
    if (const std::string digest = plain.finish(); digest != diff_id)
        return fail(Code::corrupt, "the unpacked layer gives bytes with the digest " + digest + ", not " + diff_id);
    return {};
}

// The layer driver writes, on a thread of its own, what the layer changed.
Result<void> compress_unpacked(driver::Driver& layers, const std::string& key, BlobWriter& to,
                               const std::string& diff_id, const Cancelled& cancelled) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe");
    UniqueFd out(ends[0]), in(ends[1]);
    (void)::fcntl(out.get(), F_SETPIPE_SZ, 1 << 20);
    Result<void> written;
    std::thread writer([&] {
        auto diff = layers.call("layer/1", "diff", Json{{"key", key}}, {{"tar", in.get()}}, driver::Deadline::longer);
        if (!diff) written = std::move(diff).error();
        in.reset();
    });
    auto source = source_of(out.get());
    auto compressed = compress(*source, to, diff_id, cancelled);
    if (!compressed) out.reset();  // the writer then has nobody to write to
    writer.join();
    if (!written && compressed) return written;
    return compressed;
}

bool is_packed(Compression compression) { return compression == Compression::gzip || compression == Compression::zstd; }

// Every image that has this layer without a manifest which names another blob for it.
void keep(ImageStore::Impl& store, const std::string& key, const LayerBlob& made) {
    for (const Record& record : store.catalog.every()) {
        const auto& keys = record.image->layers;
        if (!record.manifest.empty() || std::find(keys.begin(), keys.end(), key) == keys.end()) continue;
        auto amended = store.catalog.amend(record.image->id, [&](Image& image, Record& now) {
            for (std::size_t i = 0; i < image.layers.size(); ++i)
                if (now.manifest.empty() && image.layers[i] == key) now.blobs[i] = made;
        });
        if (!amended && amended.error().code != Code::not_found)
            log::warn("a compressed layer is not kept",
                      {{"image", record.image->id}, {"reason", amended.error().text}});
    }
}

}  // namespace

Result<Compression> compression_of(const BlobStore& blobs, const std::string& digest) {
    GANTRY_TRY(UniqueFd fd, blobs.open_blob(digest));
    char first[6] = {};
    const ssize_t n = ::pread(fd.get(), first, sizeof first, 0);
    if (n < 0) return fail_errno("read a blob");
    const std::string_view head(first, static_cast<std::size_t>(n));
    if (head.starts_with("\x1f\x8b")) return Compression::gzip;
    if (head.starts_with("\x28\xb5\x2f\xfd")) return Compression::zstd;
    const bool other = head.starts_with("BZh") || head.starts_with(std::string_view("\xfd"
                                                                                    "7zXZ\0",
                                                                                    6));
    return other ? Compression::other : Compression::none;
}

Result<LayerBlob> compressed_layer(Service::Impl& service, const std::string& id, std::size_t index, Pins::Hold& hold,
                                   const Cancelled& cancelled) {
    auto& store = service.store();
    auto record = store.catalog.record(id);
    if (!record || index >= record->blobs.size()) return fail(Code::not_found, "No such image: " + id);
    const std::string key = record->image->layers[index];
    auto lock = service.layers.lock("blob " + key, cancelled);
    if (!lock) return fail(Code::cancelled, "the push is cancelled");
    record = store.catalog.record(id);  // someone may just have made it
    if (!record) return fail(Code::not_found, "No such image: " + id);
    const LayerBlob known = record->blobs[index];
    bool here = false;
    if (!known.digest.empty()) {
        hold.add(known.digest);
        here = store.blobs.has(known.digest);
    }
    if (here) {
        GANTRY_TRY(Compression compression, compression_of(store.blobs, known.digest));
        if (is_packed(compression)) return known;
    }
    const auto diff_ids = diff_ids_of(record->image->config);
    if (index >= diff_ids.size()) return fail(Code::corrupt, "image " + id + " has no diff id for one of its layers");
    GANTRY_TRY(BlobWriter writer, store.blobs.writer());
    if (here) {
        GANTRY_TRY(UniqueFd fd, store.blobs.open_blob(known.digest));
        GANTRY_TRY(auto plain, decompressed(source_of(std::move(fd))));
        GANTRY_CHECK(compress(*plain, writer, diff_ids[index], cancelled));
    } else {
        GANTRY_CHECK(compress_unpacked(*store.layers, key, writer, diff_ids[index], cancelled));
    }
    hold.add(writer.finish());
    GANTRY_CHECK(store.blobs.adopt(writer));
    GANTRY_FAILPOINT("registry.push.compressed");
    const LayerBlob made{writer.digest(), writer.size()};
    keep(store, key, made);
    return made;
}

namespace {

// The compressed blob that some image has of the layer, with its media type; a digest "" where there is none.
Result<std::pair<std::string_view, LayerBlob>> packed_already(ImageStore::Impl& store, const std::string& key,
                                                              Pins::Hold& hold) {
    for (const Record& record : store.catalog.every())
        for (std::size_t i = 0; i < record.image->layers.size() && i < record.blobs.size(); ++i) {
            const LayerBlob& blob = record.blobs[i];
            if (record.image->layers[i] != key || blob.digest.empty()) continue;
            hold.add(blob.digest);
            if (!store.blobs.has(blob.digest)) continue;
            GANTRY_TRY(Compression form, compression_of(store.blobs, blob.digest));
            if (is_packed(form))
                return std::pair(form == Compression::zstd ? media::layer_zstd : media::layer_gzip, blob);
        }
    return std::pair(std::string_view(), LayerBlob{});
}

Result<BlobWriter> pack_layer(ImageStore& images, const std::string& key, const std::string& diff_id,
                              const Cancelled& cancelled) {
    auto& store = images.parts();
    GANTRY_TRY(BlobWriter writer, store.blobs.writer());
    GANTRY_TRY(auto tar, images.open_layer_tar(key));
    if (tar)
        GANTRY_CHECK(compress(*tar, writer, diff_id, cancelled));
    else
        GANTRY_CHECK(compress_unpacked(*store.layers, key, writer, diff_id, cancelled));
    writer.finish();
    return writer;
}

}  // namespace

Result<PackedLayer> packed_layer(ImageStore& images, const std::string& key, const std::string& diff_id,
                                 const Cancelled& cancelled) {
    auto& store = images.parts();
    Pins::Hold hold(store.pins);
    GANTRY_TRY(auto found, packed_already(store, key, hold));
    if (const auto& [type, blob] = found; !type.empty()) {
        GANTRY_TRY(UniqueFd file, store.blobs.open_blob(blob.digest));
        return PackedLayer{std::string(type), blob.digest, blob.size, std::move(file)};
    }
    GANTRY_TRY(BlobWriter writer, pack_layer(images, key, diff_id, cancelled));
    // The name goes with the writer, the file with its last descriptor.
    GANTRY_TRY(UniqueFd file, open_file(writer.path(), O_RDONLY));
    return PackedLayer{std::string(media::layer_gzip), writer.digest(), writer.size(), std::move(file)};
}

Result<Json> kept_layer(ImageStore& images, const std::string& key, const std::string& diff_id, Pins::Hold& hold,
                        const Cancelled& cancelled) {
    auto& store = images.parts();
    GANTRY_TRY(auto found, packed_already(store, key, hold));
    auto [type, blob] = std::move(found);
    if (type.empty()) {
        GANTRY_TRY(BlobWriter writer, pack_layer(images, key, diff_id, cancelled));
        hold.add(writer.digest());
        GANTRY_CHECK(store.blobs.adopt(writer));
        type = media::layer_gzip;
        blob = {writer.digest(), writer.size()};
        keep(store, key, blob);
    }
    return Json{{"mediaType", type}, {"digest", blob.digest}, {"size", blob.size}};
}

}  // namespace gantry::image::registry
