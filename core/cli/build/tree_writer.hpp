// Writes the entries of an archive below a directory, and nowhere else whatever they are called: every step is taken by
// descriptor, links are never followed.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/cli/build/tar_reader.hpp"

namespace gantry::cli {

class TreeWriter {
public:
    // Set-user-ID, set-group-ID and sticky bits: those of a build's context are the archive's business, those of a result would be
    // files of the user that do what the builder says.
    enum class Bits { all = 1, permissions_only };
    TreeWriter(UniqueFd root, Bits bits) : root_(std::move(root)), bits_(bits) {}
    ~TreeWriter();
    TreeWriter(const TreeWriter&) = delete;
    TreeWriter& operator=(const TreeWriter&) = delete;

    // In the order of the archive. What stands there already is replaced, but a directory only by a directory.
    // GANTRY_DENIED: a path that leads out or through a link.
    Result<void> entry(const TarEntry& entry);
    Result<void> data(std::string_view bytes);
    Result<void> end();
    // Directories get their modes and times last: until then they are written to.
    Result<void> finish();
    // Devices, FIFOs and the like, which are not made.
    std::size_t left_out() const { return left_out_; }

private:
    struct Place {
        int parent = -1;  // held by parent_
        std::string path, name;
    };
    struct DirectoryEnd {
        std::uint32_t mode = 0;
        std::int64_t mtime_s = 0, mtime_ns = 0;
    };
    Result<Place> place_of(const std::string& path);
    Result<UniqueFd> make_parents(const std::string& path);
    Result<void> make_directory(const Place& place, const TarEntry& entry);
    Result<void> make_link(const Place& place, const TarEntry& entry);
    Result<void> put(const Place& place);

    UniqueFd root_;
    Bits bits_;
    UniqueFd parent_;
    std::string parent_path_;
    UniqueFd file_;
    Place target_;
    TarEntry current_;
    std::string temporary_;
    std::map<std::string, DirectoryEnd> directories_;
    std::size_t left_out_ = 0;
};

}  // namespace gantry::cli
