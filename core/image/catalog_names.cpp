// How images and indexes are found by their names, digests and ids.
#include <gantry/driver.hpp>

#include "core/base/ids.hpp"
#include "core/image/catalog_indexes.hpp"
#include "core/image/image_catalog.hpp"
#include "core/image/references.hpp"

namespace gantry::image {

void Catalog::learn(const Record& record) {
    const std::string& id = record.image->id;
    for (const std::string& tag : record.image->tags) by_tag_[tag] = id;
    for (const std::string& digest : record.image->repo_digests) {
        // Several images come from one index: its digest names the one that has its tag.
        auto other = by_digest_.find(digest);
        auto owner = other == by_digest_.end() ? records_.end() : records_.find(other->second);
        if (owner == records_.end() || owner->second.image->tags.empty() || !record.image->tags.empty())
            by_digest_[digest] = id;
    }
    for (const ImageIndex& index : record.indexes) {
        parts_[index.digest].insert(id);
        for (const Record& variant : index.variants) parts_[variant.image->id].insert(id);
    }
}

void Catalog::forget(const Record& record) {
    const std::string& id = record.image->id;
    for (const std::string& tag : record.image->tags)
        if (auto named = by_tag_.find(tag); named != by_tag_.end() && named->second == id) by_tag_.erase(named);
    for (const std::string& digest : record.image->repo_digests)
        if (auto named = by_digest_.find(digest); named != by_digest_.end() && named->second == id)
            by_digest_.erase(named);
    auto drop = [&](const std::string& part) {
        auto found = parts_.find(part);
        if (found != parts_.end() && found->second.erase(id) && found->second.empty()) parts_.erase(found);
    };
    for (const ImageIndex& index : record.indexes) {
        drop(index.digest);
        for (const Record& variant : index.variants) drop(variant.image->id);
    }
}

const Record* Catalog::holder_of(const std::string& digest) const {
    if (auto found = records_.find(digest); found != records_.end()) return &found->second;
    auto part = parts_.find(digest);
    return part == parts_.end() ? nullptr : &records_.find(*part->second.begin())->second;
}

// Of a digest that is known.
Catalog::Named Catalog::named_by(const std::string& digest) const {
    const Record& holder = *holder_of(digest);
    if (holder.image->id == digest) return {holder, std::nullopt};
    for (const ImageIndex& index : holder.indexes) {
        if (index.digest == digest) return {holder, index};
        if (const Record* variant = variant_of(index, digest)) return {*variant, std::nullopt};
    }
    return {holder, std::nullopt};
}

Result<Catalog::Named> Catalog::named(std::string_view name_or_id) const {
    std::lock_guard lock(mutex_);
    std::string_view hex = name_or_id.starts_with("sha256:") ? name_or_id.substr(7) : name_or_id;
    if (hex.size() == 64 && is_id_prefix(hex)) {
        const std::string id = "sha256:" + std::string(hex);
        if (!holder_of(id)) return no_such_image(name_or_id);
        return named_by(id);
    }
    std::string shown(name_or_id);
    if (auto reference = parse_reference(name_or_id)) {
        shown = reference->text();
        auto with_index = [](const Record& record, const auto& fits) -> Named {
            for (const ImageIndex& index : record.indexes)
                if (fits(index)) return {record, index};
            return {record, std::nullopt};
        };
        if (!reference->digest.empty()) {
            auto found = by_digest_.find(reference->name + "@" + reference->digest);
            if (found != by_digest_.end())
                return with_index(records_.find(found->second)->second,
                                  [&](const ImageIndex& index) { return index.digest == reference->digest; });
        } else if (auto found = by_tag_.find(tag_key(*reference)); found != by_tag_.end()) {
            return with_index(records_.find(found->second)->second,
                              [&](const ImageIndex& index) { return contains(index.tags, found->first); });
        }
    } else if (!is_id_prefix(hex)) {
        return std::move(reference).error();
    }
    if (!is_id_prefix(hex)) return no_such_image(shown);
    const std::string prefix = "sha256:" + std::string(hex);
    std::set<std::string> fitting;
    auto look = [&](const auto& map) {
        for (auto at = map.lower_bound(prefix); at != map.end() && at->first.starts_with(prefix); ++at) {
            fitting.insert(at->first);
            if (fitting.size() > 1) return;
        }
    };
    look(records_);
    look(parts_);
    if (fitting.empty()) return no_such_image(shown);
    if (fitting.size() > 1)
        return fail(Code::invalid,
                    "ambiguous image id prefix \"" + std::string(hex) + "\": it fits more than one image");
    return named_by(*fitting.begin());
}

Result<std::shared_ptr<const Image>> Catalog::find(std::string_view name_or_id) const {
    GANTRY_TRY(Named found, named(name_or_id));
    return found.record.image;
}

std::optional<Record> Catalog::record(const std::string& id) const {
    std::lock_guard lock(mutex_);
    if (!holder_of(id)) return std::nullopt;
    Record found = named_by(id).record;
    return found.image->id == id ? std::optional(std::move(found)) : std::nullopt;
}

bool Catalog::is_part(const std::string& id) const {
    std::lock_guard lock(mutex_);
    return !records_.contains(id) && parts_.contains(id);
}

std::vector<Record> Catalog::every() const {
    std::vector<Record> records = all();
    const std::size_t main = records.size();
    for (std::size_t i = 0; i < main; ++i) {
        const std::vector<ImageIndex> indexes = records[i].indexes;
        for (const ImageIndex& index : indexes)
            records.insert(records.end(), index.variants.begin(), index.variants.end());
    }
    return records;
}

}  // namespace gantry::image
