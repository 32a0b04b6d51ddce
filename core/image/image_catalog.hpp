// Which images there are and by which names they are found: a map in memory in front of the store. Thread-safe.
#pragma once
#include <atomic>

#include "core/image/blob_store.hpp"
#include "core/image/image_record.hpp"

namespace gantry::image {

class Catalog {
public:
    explicit Catalog(store::Store& store) : store_(store) {}

    // Reads every record and its config; what cannot be read is set aside.
    Result<void> load(const BlobStore& blobs);

    // By name, digest, id or prefix (ImageStore::find).
    Result<std::shared_ptr<const Image>> find(std::string_view name_or_id) const;
    std::optional<Record> record(const std::string& id) const;
    std::vector<Record> all() const;
    std::vector<store::Damage> damage() const;
    // Differs after every addition.
    std::uint64_t generation() const { return generation_; }
    void touch() { ++generation_; }

    // Adds the image, or adds to the one of that id, and gives it these tags, which other images lose. Gives the
    // ids of images that lost one.
    Result<std::vector<std::string>> add(Record record, const std::vector<std::string>& tags);
    // The same for several, one after another: all of them, or none. Gives the ids of losers for each.
    struct Addition {
        Record record;
        std::vector<std::string> tags;
    };
    Result<std::vector<std::vector<std::string>>> add(std::vector<Addition> additions);
    void mark_used(const std::string& id, std::int64_t now_ns);
    std::int64_t last_used(const std::string& id) const;
    Result<void> tag(const std::string& id, const std::string& tag);
    // Changes what an image's record tells beside its tags: `change` gets copies of both. Gone: GANTRY_NOT_FOUND.
    Result<void> amend(const std::string& id, const std::function<void(Image&, Record&)>& change);
    // Takes the tag off; true when the image has none left.
    Result<bool> untag(const std::string& id, const std::string& tag);
    // Takes a "name@digest" off.
    Result<void> drop_digest(const std::string& id, const std::string& digest);
    Result<void> erase(const std::string& id);

private:
    using Records = std::map<std::string, Record, std::less<>>;
    // Writes the changed records in one transaction, then makes them visible. mutex_ is held.
    Result<void> write(const std::vector<Record>& changed);
    // What is to be written when `addition` is added on top of `changed`; gives the losers. mutex_ is held.
    std::vector<std::string> add_to(std::map<std::string, Record>& changed, Addition addition) const;
    // The records after `tag` went to `id`. mutex_ is held.
    Result<std::vector<Record>> moved(const std::string& id, const std::string& tag) const;

    store::Store& store_;
    mutable std::mutex mutex_;  // all below; no driver is called under it
    Records records_;
    std::map<std::string, std::string, std::less<>> by_tag_, by_digest_;
    std::map<std::string, std::int64_t, std::less<>> used_;  // since this start; the records have it from time to time
    std::vector<store::Damage> damage_;
    std::atomic<std::uint64_t> generation_ = 0;
};

}  // namespace gantry::image
