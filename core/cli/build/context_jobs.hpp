// What the engine asks of a build's context: which files there are, and what is in them. Both are answered bit by bit, so that
// output, other questions and Ctrl-C are never behind a large tree.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/build/dockerignore.hpp"

namespace gantry::cli {

// One answer in the making.
class Job {
public:
    virtual ~Job() = default;
    // Appends some frames to `out` (about 1 MiB at most). False: the answer is complete. An error: the request cannot be
    // answered, and the engine is told so.
    virtual Result<bool> step(std::string& out) = 0;
    virtual Json id() const = 0;
};

// Answers {"type":"walk"}: directories before what they hold, names in the order of their bytes, no link followed.
class WalkJob final : public Job {
public:
    // `root` is borrowed. GANTRY_INVALID: a malformed pattern.
    static Result<std::unique_ptr<Job>> create(int root, const Json& request);
    Result<bool> step(std::string& out) override;
    Json id() const override { return id_; }

private:
    struct Item {
        std::string name;
        Json entry;
        bool directory = false;
    };
    struct Level {
        std::string path;  // "" for the root
        std::vector<Item> items;
        std::size_t next = 0;
        build::IgnoreMatcher::Verdict excluded, wanted;
        // The directory's own entry while nothing below it was sent: one that is left out itself is sent for a child's sake.
        std::optional<Json> unsent;
    };
    Result<void> open_level(std::string path, std::optional<Json> unsent, build::IgnoreMatcher::Verdict excluded,
                            build::IgnoreMatcher::Verdict wanted);
    Result<void> take(Level& level, Item item);
    void send(Json entry);

    int root_ = -1;
    Json id_;
    build::IgnoreMatcher exclude_, only_;
    std::deque<Level> levels_;
    Json batch_ = Json::array();
    std::size_t batch_bytes_ = 0;
    bool started_ = false;
};

// Answers {"type":"fetch"}: the files' bytes one after another, as they are now.
class FetchJob final : public Job {
public:
    static Result<std::unique_ptr<Job>> create(int root, const Json& request);
    Result<bool> step(std::string& out) override;
    Json id() const override { return id_; }

private:
    Result<std::string> read_piece();

    int root_ = -1;
    Json id_;
    std::string where_;  // for messages
    std::vector<std::string> paths_;
    std::size_t next_ = 0;
    UniqueFd file_;
    std::string piece_;
};

}  // namespace gantry::cli
