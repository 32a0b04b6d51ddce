#include "core/image/image_catalog.hpp"

#include "core/base/clock.hpp"
#include "core/base/log.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/attestation.hpp"
#include "core/image/catalog_indexes.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::image {
namespace {

constexpr std::int64_t store_used_after_ns = 600'000'000'000;

// It could not be told from an image's id. What names an archive brings is the archive's choice.
Result<void> check_tag(std::string_view tag) {
    if (!tag.starts_with("sha256:")) return {};
    return fail(Code::invalid, "refusing to create an ambiguous tag using digest algorithm as name");
}

}  // namespace

Result<void> Catalog::load(const BlobStore& blobs) {
    std::vector<store::Damage> damage;
    GANTRY_TRY(auto objects, store_.list(store_kind, &damage));
    std::lock_guard lock(mutex_);
    damage_ = std::move(damage);
    for (const store::Object& object : objects) {
        auto set_aside = [&](const Error& error) {
            damage_.push_back({std::string(store_kind), object.id, error.text});
            log::warn("an image is damaged and set aside", {{"image", object.id}, {"reason", error.text}});
        };
        auto text = blobs.read(object.id, max_document_bytes);
        if (!text) {
            set_aside(text.error());
            continue;
        }
        auto config = parse_config(*text);
        auto read = [&](const std::string& id) -> Result<Json> {
            GANTRY_TRY(std::string other, blobs.read(id, max_document_bytes));
            return parse_config(other);
        };
        auto record = config ? from_object(object, std::move(*config), read) : Result<Record>(config.error());
        if (!record) {
            set_aside(record.error());
            continue;
        }
        learn(*record);
        records_[object.id] = std::move(*record);
    }
    return {};
}

std::vector<Record> Catalog::all() const {
    std::lock_guard lock(mutex_);
    std::vector<Record> records;
    for (const auto& [id, record] : records_) records.push_back(record);
    return records;
}

std::vector<store::Damage> Catalog::damage() const {
    std::lock_guard lock(mutex_);
    return damage_;
}

Result<void> Catalog::write(const std::vector<Record>& changed, const std::string& erased) {
    GANTRY_CHECK(store_.transact([&]() -> Result<void> {
        for (const Record& record : changed) GANTRY_CHECK(store_.put(store_kind, to_object(record)));
        if (!erased.empty()) GANTRY_CHECK(store_.erase(store_kind, erased));
        return {};
    }));
    ++generation_;
    for (const Record& record : changed) {
        if (auto before = records_.find(record.image->id); before != records_.end()) forget(before->second);
        records_[record.image->id] = record;
    }
    if (auto gone = records_.find(erased); gone != records_.end()) {
        forget(gone->second);
        used_.erase(erased);
        records_.erase(gone);
    }
    for (const Record& record : changed) learn(record);
    return {};
}

Result<std::vector<Record>> Catalog::moved(const std::string& id, const std::string& tag,
                                           const std::string& index) const {
    std::vector<Record> changed;
    if (!holder_of(id)) return no_such_image(id);
    // One that an index names beside its main one gets a record of its own with its first tag.
    Record named = named_by(id).record;
    if (auto owner = by_tag_.find(tag); owner != by_tag_.end() && owner->second != id) {
        const Record& loser = records_.find(owner->second)->second;
        auto tags = loser.image->tags;
        std::erase(tags, tag);
        changed.push_back(with_tags(loser, std::move(tags)));
    }
    auto tags = named.image->tags;
    tags.push_back(tag);
    give_tag(named, tag, index);
    changed.push_back(tagged_now(with_tags(named, std::move(tags))));
    return changed;
}

std::vector<std::string> Catalog::add_to(std::map<std::string, Record>& changed, Addition addition) const {
    auto [record, tags] = std::move(addition);
    const std::string id = record.image->id;
    auto current = [&](const std::string& of) -> const Record* {
        if (auto found = changed.find(of); found != changed.end()) return &found->second;
        auto found = records_.find(of);
        return found == records_.end() ? nullptr : &found->second;
    };
    auto owner_of = [&](const std::string& tag) -> const Record* {
        for (const auto& [other, one] : changed)
            if (std::find(one.image->tags.begin(), one.image->tags.end(), tag) != one.image->tags.end()) return &one;
        auto owner = by_tag_.find(tag);
        // One that has changed has lost it.
        return owner == by_tag_.end() || changed.contains(owner->second) ? nullptr : current(owner->second);
    };
    std::vector<std::string> losers, all_tags = tags;
    if (const Record* there = current(id)) {
        all_tags.insert(all_tags.end(), there->image->tags.begin(), there->image->tags.end());
        Image image = *record.image;
        for (const std::string& digest : there->image->repo_digests)
            if (std::find(image.repo_digests.begin(), image.repo_digests.end(), digest) == image.repo_digests.end())
                image.repo_digests.push_back(digest);
        record.image = std::make_shared<const Image>(std::move(image));
        record.indexes = joined_indexes(*there, record, tags);
        if (record.manifest.empty()) {
            record.manifest = there->manifest;
            record.attestations = there->attestations;
        } else if (record.manifest == there->manifest) {
            record.attestations = joined_attestations(std::move(record.attestations), there->attestations);
        }
        record.used_ns = std::max(record.used_ns, there->used_ns);
    }
    for (const std::string& tag : tags) {
        const Record* owner = owner_of(tag);
        if (owner == nullptr || owner->image->id == id) continue;
        const std::string loser = owner->image->id;
        auto left = owner->image->tags;
        std::erase(left, tag);
        losers.push_back(loser);
        changed.insert_or_assign(loser, with_tags(*owner, std::move(left)));
    }
    changed.insert_or_assign(id, tagged_now(with_tags(record, std::move(all_tags))));
    return losers;
}

Result<std::vector<std::vector<std::string>>> Catalog::add(std::vector<Addition> additions) {
    for (const Addition& addition : additions)
        for (const std::string& tag : addition.tags) GANTRY_CHECK(check_tag(tag));
    std::lock_guard lock(mutex_);
    std::map<std::string, Record> changed;
    std::vector<std::vector<std::string>> losers;
    std::vector<std::string> ids;
    for (Addition& addition : additions) {
        ids.push_back(addition.record.image->id);
        losers.push_back(add_to(changed, std::move(addition)));
    }
    std::vector<Record> list;
    for (auto& [id, record] : changed) list.push_back(std::move(record));
    GANTRY_CHECK(write(list));
    std::erase_if(damage_, [&](const store::Damage& damage) {
        return std::find(ids.begin(), ids.end(), damage.id) != ids.end();
    });
    return losers;
}

Result<std::vector<std::string>> Catalog::add(Record record, const std::vector<std::string>& tags) {
    std::vector<Addition> one;
    one.push_back({std::move(record), tags});
    GANTRY_TRY(auto losers, add(std::move(one)));
    return std::move(losers.front());
}

void Catalog::mark_used(const std::string& id, std::int64_t now_ns) {
    std::lock_guard lock(mutex_);
    auto found = records_.find(id);
    if (found == records_.end()) {
        // One of an index is used with it.
        auto part = parts_.find(id);
        if (part == parts_.end()) return;
        found = records_.find(*part->second.begin());
    }
    used_[found->first] = now_ns;
    // A transaction for every container would cost more than the figure is worth.
    if (now_ns - found->second.used_ns < store_used_after_ns) return;
    Record record = found->second;
    record.used_ns = now_ns;
    if (auto written = write({record}); !written)
        log::warn("when an image was used could not be stored", {{"image", id}, {"reason", written.error().text}});
}

std::int64_t Catalog::last_used(const std::string& id) const {
    std::lock_guard lock(mutex_);
    auto found = records_.find(id);
    if (found == records_.end()) return 0;
    const std::int64_t stored = std::max(found->second.used_ns, found->second.image->tagged_ns);
    auto used = used_.find(id);
    return used == used_.end() ? stored : std::max(stored, used->second);
}

Result<void> Catalog::tag(const std::string& id, const std::string& tag, const std::string& index) {
    GANTRY_CHECK(check_tag(tag));
    std::lock_guard lock(mutex_);
    GANTRY_TRY(auto changed, moved(id, tag, index));
    return write(changed);
}

Result<void> Catalog::amend(const std::string& id, const std::function<void(Image&, Record&)>& change) {
    std::lock_guard lock(mutex_);
    auto found = records_.find(id);
    if (found == records_.end()) return no_such_image(id);
    Record record = found->second;
    Image image = *record.image;
    change(image, record);
    record.image = std::make_shared<const Image>(std::move(image));
    return write({record});
}

Result<Catalog::Untagged> Catalog::untag(const std::string& id, const std::string& tag) {
    std::lock_guard lock(mutex_);
    auto found = records_.find(id);
    if (found == records_.end()) return no_such_image(id);
    const std::string repository = tag.substr(0, tag.rfind(':'));
    Image image = *found->second.image;
    std::erase(image.tags, tag);
    Untagged gone;
    if (std::none_of(image.tags.begin(), image.tags.end(),
                     [&](const std::string& other) { return other.substr(0, other.rfind(':')) == repository; }))
        std::erase_if(image.repo_digests, [&](const std::string& digest) {
            const bool goes = digest.starts_with(repository + "@");
            if (goes) gone.digests.push_back(digest);
            return goes;
        });
    gone.bare = image.tags.empty() && image.repo_digests.empty();
    auto tags = image.tags;
    Record changed = found->second;
    changed.image = std::make_shared<const Image>(std::move(image));
    GANTRY_CHECK(write({with_tags(changed, std::move(tags))}));
    return gone;
}

Result<void> Catalog::drop_digest(const std::string& id, const std::string& digest) {
    std::lock_guard lock(mutex_);
    auto found = records_.find(id);
    if (found == records_.end()) return no_such_image(id);
    Image image = *found->second.image;
    std::erase(image.repo_digests, digest);
    Record changed = found->second;
    changed.image = std::make_shared<const Image>(std::move(image));
    return write({changed});
}

Result<void> Catalog::erase(const std::string& id) {
    std::lock_guard lock(mutex_);
    GANTRY_CHECK(store_.erase(store_kind, id));
    ++generation_;
    std::erase_if(damage_, [&](const store::Damage& damage) { return damage.id == id; });
    auto found = records_.find(id);
    if (found == records_.end()) return {};
    forget(found->second);
    used_.erase(id);
    records_.erase(found);
    return {};
}

}  // namespace gantry::image
