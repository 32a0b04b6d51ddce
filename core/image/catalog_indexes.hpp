// What the catalog does to the tags and indexes of a record before it is written. Plain functions.
#pragma once
#include "core/image/image_catalog.hpp"

namespace gantry::image {

Error no_such_image(std::string_view name);
bool contains(const std::vector<std::string>& list, std::string_view one);
// The record with these tags, sorted, each once. Indexes have no others; one that has lost its last tag is gone, but where that was
// the image's last, too: then they go together.
Record with_tags(const Record& record, std::vector<std::string> tags);
Record tagged_now(const Record& record);
// The tag names this index of the record's, "" for the image alone.
void give_tag(Record& record, const std::string& tag, const std::string& index);
// The indexes of a record, `added`, that comes with these tags to `there`: of one that comes again all that was here stays.
std::vector<ImageIndex> joined_indexes(const Record& there, const Record& added, const std::vector<std::string>& tags);

}  // namespace gantry::image
