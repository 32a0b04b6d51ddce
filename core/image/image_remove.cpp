#include "core/base/failpoint.hpp"
#include "core/base/ids.hpp"
#include "core/image/image_store_impl.hpp"
#include "core/image/references.hpp"

namespace gantry::image {
namespace {

std::string shown_id(const std::string& id) { return std::string(hex_of(id).substr(0, 12)); }

bool is_running(const std::string& user) { return user.starts_with("running "); }

}  // namespace

// Images have no parent images here, so there is nothing that `prune` would take along.
Result<Deleted> ImageStore::remove(std::string_view name_or_id, bool force, bool /*prune*/,
                                   const std::function<std::string(const std::string& id)>& in_use) {
    GANTRY_TRY(Catalog::Named named, impl_->catalog.named(name_or_id));
    const std::shared_ptr<const Image> image = named.record.image;
    const std::string id = image->id;
    if (impl_->catalog.is_part(id))
        return fail(Code::conflict,
                    "conflict: " + shown_id(id) +
                        " is one platform's image of an image for several: remove that, or this one with "
                        "its name and the platform");
    std::string user = in_use ? in_use(id) : std::string();
    for (const ImageIndex& index : named.record.indexes)
        for (const Record& variant : index.variants)
            if (user.empty() && in_use) user = in_use(variant.image->id);
    Deleted deleted;
    // What went with an index that nothing names any more.
    auto add_variants = [&] {
        for (const ImageIndex& index : named.record.indexes)
            for (const Record& variant : index.variants)
                if (!impl_->catalog.record(variant.image->id)) deleted.deleted.push_back(variant.image->id);
    };

    auto reference = parse_reference(name_or_id);
    const std::string tag = reference && reference->digest.empty() ? tag_key(*reference) : std::string();
    const bool by_tag = !tag.empty() && std::find(image->tags.begin(), image->tags.end(), tag) != image->tags.end();
    const std::string digest =
        reference && !reference->digest.empty() ? reference->name + "@" + reference->digest : std::string();
    const bool by_digest =
        std::find(image->repo_digests.begin(), image->repo_digests.end(), digest) != image->repo_digests.end();
    if (by_digest && image->tags.size() + image->repo_digests.size() > 1) {
        GANTRY_CHECK(impl_->catalog.drop_digest(id, digest));
        deleted.untagged.push_back(digest);
        return deleted;
    }
    if (by_tag) {
        const bool last = image->tags.size() == 1;
        if (last && !user.empty() && !force)
            return fail(Code::conflict, "conflict: unable to remove repository reference \"" + std::string(name_or_id) +
                                            "\" (must force) - " + user + " is using its referenced image " +
                                            shown_id(id));
        GANTRY_TRY(Catalog::Untagged gone, impl_->catalog.untag(id, tag));
        deleted.untagged.push_back(tag);
        deleted.untagged.insert(deleted.untagged.end(), gone.digests.begin(), gone.digests.end());
        if (!gone.bare || !user.empty()) {
            add_variants();
            return deleted;
        }
    } else {
        if (!user.empty() && (is_running(user) || !force))
            return fail(Code::conflict, "conflict: unable to delete " + shown_id(id) +
                                            (is_running(user) ? " (cannot be forced)" : " (must be forced)") +
                                            " - image is being used by " + user);
        if (image->tags.size() > 1 && !force)
            return fail(Code::conflict, "conflict: unable to delete " + shown_id(id) +
                                            " (must be forced) - image is referenced in multiple repositories");
        deleted.untagged = by_digest ? std::vector<std::string>{digest} : image->tags;
    }
    GANTRY_FAILPOINT("image.remove.before_erase");
    GANTRY_CHECK(impl_->catalog.erase(id));
    deleted.deleted.push_back(id);
    add_variants();
    return deleted;
}

Result<bool> ImageStore::remove_variant(std::string_view name, const std::string& id) {
    GANTRY_TRY(Reference reference, parse_reference(name));
    return impl_->catalog.drop_variant(tag_key(reference), id);
}

}  // namespace gantry::image
