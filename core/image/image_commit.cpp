#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/creation_time.hpp"
#include "core/image/image_store_impl.hpp"
#include "core/image/references.hpp"

namespace gantry::image {
namespace {

Json history_entry(const CommitRequest& request, std::int64_t created, bool empty) {
    Json entry{{"created", rfc3339(created)}, {"created_by", request.created_by}};
    if (!request.author.empty()) entry["author"] = request.author;
    if (!request.comment.empty()) entry["comment"] = request.comment;
    if (empty) entry["empty_layer"] = true;
    return entry;
}

// The image's own document: what says where the base came from does not hold for it.
Json document_of(const Json& base, const CommitRequest& request, std::int64_t created, const std::string& diff_id) {
    Json document = Json::object();
    for (const char* key : {"architecture", "os", "variant", "os.version", "os.features"})
        if (base.contains(key)) document[key] = base[key];
    if (!document.contains("architecture")) document["architecture"] = host_architecture();
    if (!document.contains("os")) document["os"] = "linux";
    document["created"] = rfc3339(created);
    if (!request.author.empty()) document["author"] = request.author;
    document["config"] = request.config;
    auto diff_ids = diff_ids_of(base);
    if (!diff_id.empty()) diff_ids.push_back(diff_id);
    document["rootfs"] = {{"type", "layers"}, {"diff_ids", diff_ids}};
    Json history = base.contains("history") && base["history"].is_array() ? base["history"] : Json::array();
    history.push_back(history_entry(request, created, diff_id.empty()));
    document["history"] = std::move(history);
    return document;
}

}  // namespace

Result<std::string> ImageStore::commit(ByteSource* layer, const CommitRequest& request) {
    std::vector<std::string> tags;
    if (!request.reference.empty()) {
        GANTRY_TRY(Reference parsed, parse_reference(request.reference));
        if (!parsed.digest.empty()) return fail(Code::invalid, "refusing to create a tag with a digest reference");
        tags.push_back(tag_key(parsed));
    }
    auto base = impl_->catalog.record(request.base);
    if (!base)
        return fail(Code::not_found, "the container's image " + request.base +
                                         " has been removed, so that no image can be made on it");
    Impl::Made made(*impl_);
    for (const std::string& key : base->image->layers) made.hold().add(key);
    for (const LayerBlob& blob : base->blobs)
        if (!blob.digest.empty()) made.hold().add(blob.digest);

    Image image;
    image.layers = base->image->layers;
    image.layer_sizes = base->image->layer_sizes;
    image.size = base->image->size;
    Record record{nullptr, "", base->blobs};
    std::string diff_id;
    if (layer != nullptr) {
        GANTRY_TRY(auto unpacked, impl_->unpacker().unpack(*layer, base->image->top_layer(), "", made.hold(), {}));
        made.layer(unpacked.key);
        diff_id = unpacked.diff_id;
        image.layers.push_back(unpacked.key);
        image.layer_sizes.push_back(unpacked.usage_bytes);
        image.size += unpacked.usage_bytes;
        record.blobs.push_back({"", 0});  // it is kept unpacked alone, and written anew where it is wanted
    }
    image.created_ns = creation_time();
    const Json document = document_of(base->image->config, request, image.created_ns, diff_id);
    const std::string text = document.dump(-1, ' ', false, Json::error_handler_t::replace);
    GANTRY_TRY(image.config, parse_config(text));
    image.id = digest_of(text);
    GANTRY_CHECK(made.blob(image.id, text));
    GANTRY_FAILPOINT("image.commit.before_record");
    const std::string id = image.id;
    record.image = std::make_shared<const Image>(std::move(image));
    GANTRY_CHECK(impl_->catalog.add(std::move(record), tags));
    made.keep();
    return id;
}

}  // namespace gantry::image
