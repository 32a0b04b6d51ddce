#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/changes.hpp"
#include "core/image/creation_time.hpp"
#include "core/image/image_store_impl.hpp"
#include "core/image/references.hpp"

namespace gantry::image {
namespace {

// Passes on what it reads and keeps a copy.
class Tee final : public ByteSource {
public:
    Tee(int fd, BlobWriter& copy) : from_(source_of(fd)), copy_(copy) {}
    Result<std::size_t> read(char* data, std::size_t size) override {
        GANTRY_TRY(std::size_t n, from_->read(data, size));
        GANTRY_CHECK(copy_.write({data, n}));
        return n;
    }

private:
    std::unique_ptr<ByteSource> from_;
    BlobWriter& copy_;
};

}  // namespace

Result<std::string> ImageStore::import(int fd, std::string_view reference, const std::vector<std::string>& changes,
                                       std::string_view message, const Json& base_config, const Progress& progress,
                                       const Json& platform) {
    std::vector<std::string> tags;
    if (!reference.empty()) {
        GANTRY_TRY(Reference parsed, parse_reference(reference));
        if (!parsed.digest.empty()) return fail(Code::invalid, "cannot import digest reference");
        tags.push_back(tag_key(parsed));
    }
    Json config = base_config.is_object() ? base_config : Json::object();
    for (const std::string& change : changes) GANTRY_CHECK(apply_change(config, change));

    Impl::Made made(*impl_);
    GANTRY_TRY(BlobWriter copy, impl_->blobs.writer());
    GANTRY_TRY(auto stream, decompressed(std::make_unique<Tee>(fd, copy)));
    Throttle throttle;
    auto moved = [&](std::int64_t now) {
        if (progress && throttle.due()) progress({{"status", "Importing"}, {"progressDetail", {{"current", now}}}});
    };
    GANTRY_TRY(auto layer, impl_->unpacker().unpack(*stream, "", "", made.hold(), moved));
    made.layer(layer.key);
    if (layer.tar_bytes == 0) return fail(Code::invalid, "the archive to import is empty");

    const std::int64_t created = creation_time();
    Json document{{"architecture", host_architecture()},
                  {"os", "linux"},
                  {"created", rfc3339(created)},
                  {"config", std::move(config)},
                  {"rootfs", {{"type", "layers"}, {"diff_ids", Json::array({layer.diff_id})}}},
                  {"history", Json::array({Json{{"created", rfc3339(created)},
                                                {"comment", message.empty() ? "Imported from -" : message}}})}};
    for (const char* key : {"architecture", "variant"})
        if (auto given = platform.is_object() ? member<std::string>(platform, key) : std::string(); !given.empty())
            document[key] = given;
    const std::string text = document.dump(-1, ' ', false, Json::error_handler_t::replace);
    GANTRY_TRY(Json checked, parse_config(text));

    Image image;
    image.id = digest_of(text);
    image.config = std::move(checked);
    image.layers = {layer.key};
    image.layer_sizes = {layer.usage_bytes};
    image.size = layer.usage_bytes;
    image.created_ns = created;
    GANTRY_CHECK(made.blob(copy));
    GANTRY_CHECK(made.blob(image.id, text));
    GANTRY_FAILPOINT("image.import.before_record");
    const std::string id = image.id;
    Record record{std::make_shared<const Image>(std::move(image)), "", {{copy.digest(), copy.size()}}};
    GANTRY_CHECK(impl_->catalog.add(std::move(record), tags));
    made.keep();
    return id;
}

}  // namespace gantry::image
