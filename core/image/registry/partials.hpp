// Blobs on their way: ROOT/partial/<64 hex>, kept over a break, a cancel and a restart, so that a later download goes on
// where this one ended.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::image::registry {

// Thread-safe.
class Partials {
public:
    static constexpr std::int64_t longest_age_s = 7 * 24 * 3600;

    // Makes the directory.
    static Result<std::unique_ptr<Partials>> open(const std::string& root);
    // Opens, or makes, the file of a valid digest for reading and writing; collect() leaves it alone until let_go().
    // GANTRY_BUSY: someone has it.
    Result<UniqueFd> take(const std::string& digest);
    void let_go(const std::string& digest);
    std::string path_of(const std::string& digest) const;
    // What is in it is of no use, or has become a blob.
    void discard(const std::string& digest);
    // Deletes files that nobody has and nobody wrote to for so long.
    void collect(std::int64_t age_s = longest_age_s);

private:
    explicit Partials(std::string directory) : directory_(std::move(directory)) {}
    const std::string directory_;
    std::mutex mutex_;
    std::set<std::string> taken_;
};

}  // namespace gantry::image::registry
