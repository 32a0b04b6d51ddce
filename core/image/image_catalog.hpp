// Which images there are and by which names they are found: a map in memory in front of the store. Thread-safe.
#pragma once
#include <atomic>
#include <set>

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
    // The same with the record, and the index where that is what the name names: one of the record's.
    struct Named {
        Record record;
        std::optional<ImageIndex> index;
    };
    Result<Named> named(std::string_view name_or_id) const;
    // Also of an image that an index names beside its main one.
    std::optional<Record> record(const std::string& id) const;
    // Whether it is here only as what an index names beside its main image.
    bool is_part(const std::string& id) const;
    std::vector<Record> all() const;
    // With those that indexes name beside their main ones: whoever looks for layers and blobs.
    std::vector<Record> every() const;
    std::vector<store::Damage> damage() const;
    // Differs after every addition.
    std::uint64_t generation() const { return generation_; }
    void touch() { ++generation_; }

    // Adds the image, or adds to the one of that id, and gives it these tags, which other images lose; those that name one of
    // its indexes are in both lists. Gives the ids of images that lost one.
    Result<std::vector<std::string>> add(Record record, const std::vector<std::string>& tags);
    // The same for several, one after another: all of them, or none. Gives the ids of losers for each.
    struct Addition {
        Record record;
        std::vector<std::string> tags;
    };
    Result<std::vector<std::vector<std::string>>> add(std::vector<Addition> additions);
    void mark_used(const std::string& id, std::int64_t now_ns);
    std::int64_t last_used(const std::string& id) const;
    // `index`: the digest of the image's index that the tag is to name, "" for the image alone.
    Result<void> tag(const std::string& id, const std::string& tag, const std::string& index = "");
    // Takes one image out of what `tag` (a tag of an index) stands for; another one takes the place of the main one. False: it
    // was the last, and nothing is changed.
    Result<bool> drop_variant(const std::string& tag, const std::string& image);
    // Changes what an image's record tells beside its tags: `change` gets copies of both. Gone: GANTRY_NOT_FOUND.
    Result<void> amend(const std::string& id, const std::function<void(Image&, Record&)>& change);
    struct Untagged {
        std::vector<std::string> digests;  // "name@digest" that went with it
        bool bare = false;                 // nothing names the image any more
    };
    // Takes the tag off, and with the last one of its repository the digests that the image has of that repository.
    Result<Untagged> untag(const std::string& id, const std::string& tag);
    // Takes a "name@digest" off.
    Result<void> drop_digest(const std::string& id, const std::string& digest);
    Result<void> erase(const std::string& id);

private:
    using Records = std::map<std::string, Record, std::less<>>;
    // Writes the changed records in one transaction and erases one more, then makes it visible. mutex_ is held.
    Result<void> write(const std::vector<Record>& changed, const std::string& erased = "");
    // Names, digests and ids of a record, in the maps below or out of them. mutex_ is held.
    void learn(const Record& record);
    void forget(const Record& record);
    // The record that has an image or an index of this digest. mutex_ is held.
    const Record* holder_of(const std::string& digest) const;
    // What is to be written when `addition` is added on top of `changed`; gives the losers. mutex_ is held.
    std::vector<std::string> add_to(std::map<std::string, Record>& changed, Addition addition) const;
    // The records after `tag` went to `id`. mutex_ is held.
    Result<std::vector<Record>> moved(const std::string& id, const std::string& tag, const std::string& index) const;
    Named named_by(const std::string& digest) const;

    store::Store& store_;
    mutable std::mutex mutex_;  // all below; no driver is called under it
    Records records_;
    std::map<std::string, std::string, std::less<>> by_tag_, by_digest_;
    // What is part of records: indexes, and the images they name beside the main ones; by digest, the records' ids.
    std::map<std::string, std::set<std::string>, std::less<>> parts_;
    std::map<std::string, std::int64_t, std::less<>> used_;  // since this start; the records have it from time to time
    std::vector<store::Damage> damage_;
    std::atomic<std::uint64_t> generation_ = 0;
};

}  // namespace gantry::image
