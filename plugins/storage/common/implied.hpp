// Directories that a layer's archive does not list although its entries lie in them. They look as the layers below show
// them; a layer that was unpacked before its parent was there keeps a list of them and looks there later.
#pragma once
#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include <gantry/result.hpp>

#include "plugins/storage/common/attributes.hpp"

namespace gantry::storage {

// The attributes (without extended ones) of the directory `path` as the layers below show it; false where they do not.
// `lowers`: their roots, topmost first, borrowed.
bool attributes_in_lowers(const std::vector<int>& lowers, const std::string& path, Attributes& found);

class Implied {
public:
    // `inode` tells the directory that was made from another one that came to its name later.
    void add(const std::string& path, ino_t inode) { directories_[path] = inode; }
    // The archive lists it after all; "" is the root, which counts as not listed until then.
    void listed(const std::string& path);

    // The list in the file `name` within `directory`: written anew, or read. No such file: an empty list.
    Result<void> save(int directory, const std::string& name) const;
    static Result<Implied> load(int directory, const std::string& name);

    // Gives the directories below `root` the attributes that they have in `lowers`. Repeatable.
    Result<void> take_attributes(int root, const std::vector<int>& lowers) const;

private:
    bool root_listed_ = false;
    std::map<std::string, ino_t> directories_;
};

}  // namespace gantry::storage
