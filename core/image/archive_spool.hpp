// An image archive (a tar whose members may come in any order) taken apart into files below ROOT/tmp, each hashed.
#pragma once
#include <map>
#include <optional>
#include <string>

#include "core/image/blob_store.hpp"
#include "core/image/byte_source.hpp"

namespace gantry::image {

class SpoolWatch;

class Spool {
public:
    // Reads `from` to its end. Names with "..", members that are neither file, directory nor link, more than 20,000
    // members: GANTRY_INVALID. A member blobs/sha256/HEX whose bytes have another digest: GANTRY_INVALID.
    // The members are shown to `watch` while they come in; nullptr: to nobody.
    static Result<Spool> read(ByteSource& from, const BlobStore& blobs, SpoolWatch* watch = nullptr);

    // The member of that name, through symbolic links inside the archive; nullptr for none.
    BlobWriter* find(const std::string& name);
    // Its text, 4 MiB at most. Not there: GANTRY_INVALID naming it.
    Result<std::string> text(const std::string& name);

private:
    std::map<std::string, BlobWriter> files_;
    std::map<std::string, std::string> links_;
};

}  // namespace gantry::image
