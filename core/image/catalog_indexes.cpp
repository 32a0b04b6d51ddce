#include "core/image/catalog_indexes.hpp"

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/image/attestation.hpp"

namespace gantry::image {
namespace {

// An index goes with its last tag, but where that is its image's last, too: then they go together.
void settle_indexes(Record& record, const std::vector<std::string>& tags) {
    std::erase_if(record.indexes, [&](ImageIndex& index) {
        const bool named = !index.tags.empty();
        std::erase_if(index.tags, [&](const std::string& tag) { return !contains(tags, tag); });
        return named && index.tags.empty() && !tags.empty();
    });
}

}  // namespace

Error no_such_image(std::string_view name) { return fail(Code::not_found, "No such image: " + std::string(name)); }

bool contains(const std::vector<std::string>& list, std::string_view one) {
    return std::find(list.begin(), list.end(), one) != list.end();
}

Record with_tags(const Record& record, std::vector<std::string> tags) {
    Image image = *record.image;
    std::sort(tags.begin(), tags.end());
    tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
    Record changed = record;
    settle_indexes(changed, tags);
    image.tags = std::move(tags);
    changed.image = std::make_shared<const Image>(std::move(image));
    return changed;
}

void give_tag(Record& record, const std::string& tag, const std::string& index) {
    for (ImageIndex& one : record.indexes) {
        std::erase(one.tags, tag);
        if (one.digest == index) one.tags.push_back(tag);
    }
}

std::vector<ImageIndex> joined_indexes(const Record& there, const Record& added, const std::vector<std::string>& tags) {
    std::vector<ImageIndex> all = added.indexes;
    for (ImageIndex old : there.indexes) {
        auto same = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.digest == old.digest; });
        if (same != all.end()) {
            for (std::string& tag : old.tags)
                if (!contains(same->tags, tag)) same->tags.push_back(std::move(tag));
            for (Record& variant : old.variants) {
                auto again = std::find_if(same->variants.begin(), same->variants.end(),
                                          [&](const Record& one) { return one.image->id == variant.image->id; });
                if (again == same->variants.end())
                    same->variants.push_back(std::move(variant));
                else if (again->manifest == variant.manifest)
                    again->attestations = joined_attestations(std::move(again->attestations), variant.attestations);
            }
            continue;
        }
        // Of those that nothing names the newest is enough.
        if (old.tags.empty() && std::any_of(added.indexes.begin(), added.indexes.end(),
                                            [](const ImageIndex& index) { return index.tags.empty(); }))
            continue;
        // A pull brings one image of an index that may be here with others.
        const bool came = added.indexes.empty() &&
                          std::any_of(added.image->repo_digests.begin(), added.image->repo_digests.end(),
                                      [&](const std::string& digest) { return digest.ends_with("@" + old.digest); });
        if (!came) std::erase_if(old.tags, [&](const std::string& tag) { return contains(tags, tag); });
        all.push_back(std::move(old));
    }
    return all;
}

Record tagged_now(const Record& record) {
    Image image = *record.image;
    image.tagged_ns = wall_clock_ns();
    Record changed = record;
    changed.image = std::make_shared<const Image>(std::move(image));
    return changed;
}

Result<bool> Catalog::drop_variant(const std::string& tag, const std::string& image) {
    std::lock_guard lock(mutex_);
    auto owner = by_tag_.find(tag);
    if (owner == by_tag_.end()) return no_such_image(tag);
    const Record& main = records_.find(owner->second)->second;
    auto index = std::find_if(main.indexes.begin(), main.indexes.end(),
                              [&](const ImageIndex& one) { return contains(one.tags, tag); });
    if (index == main.indexes.end() || index->variants.empty()) return false;
    const auto place = static_cast<std::size_t>(index - main.indexes.begin());
    if (main.image->id != image) {
        Record changed = main;
        std::erase_if(changed.indexes[place].variants,
                      [&](const Record& variant) { return variant.image->id == image; });
        GANTRY_CHECK(write({std::move(changed)}));
        return true;
    }
    // The names of the index, and what was said of it, go over to another of its images.
    ImageIndex left = *index;
    Record heir = left.variants.front();
    left.variants.erase(left.variants.begin());
    std::vector<std::string> tags = left.tags, others = main.image->tags;
    std::erase_if(others, [&](const std::string& one) { return contains(tags, one); });
    if (auto there = records_.find(heir.image->id); there != records_.end()) {
        heir = there->second;
        tags.insert(tags.end(), heir.image->tags.begin(), heir.image->tags.end());
    }
    Image renamed = *heir.image;
    for (const std::string& digest : main.image->repo_digests)
        if (digest.ends_with("@" + left.digest) && !contains(renamed.repo_digests, digest))
            renamed.repo_digests.push_back(digest);
    heir.image = std::make_shared<const Image>(std::move(renamed));
    heir.indexes.push_back(std::move(left));
    heir = tagged_now(with_tags(heir, std::move(tags)));
    if (others.empty()) {
        GANTRY_CHECK(write({std::move(heir)}, image));
        return true;
    }
    Record rest = main;
    rest.indexes.erase(rest.indexes.begin() + static_cast<std::ptrdiff_t>(place));
    GANTRY_CHECK(write({with_tags(rest, std::move(others)), std::move(heir)}));
    return true;
}

}  // namespace gantry::image
