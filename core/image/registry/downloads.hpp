// Blobs being fetched: each once, whoever wants it, a few at a time, into files that can be read while they grow.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/image/byte_source.hpp"
#include "core/image/digest.hpp"
#include "core/image/registry/partials.hpp"
#include "core/image/registry/sources.hpp"

namespace gantry::image::registry {

class Downloads;

// One blob on its way. Thread-safe.
class Download {
public:
    enum class State { queued = 1, running, retrying, checking, done, failed };
    ~Download();
    Download(const Download&) = delete;
    Download& operator=(const Download&) = delete;

    // Waits until the blob is there whole and has its digest and size. `cancelled` is the waiter's own.
    Result<void> wait(const std::function<bool()>& cancelled);
    // The blob's bytes as they come. Its end is given only once the digest is true; before, an error takes its place.
    // What is read is not to be believed until then. `self` is kept by it.
    static std::unique_ptr<ByteSource> reader(std::shared_ptr<Download> self, std::function<bool()> cancelled);

    const Descriptor& descriptor() const { return descriptor_; }
    State state() const { return state_; }
    std::int64_t received() const { return received_; }
    // Of State::retrying: CLOCK_MONOTONIC of the next attempt.
    std::int64_t retry_at_ns() const { return retry_at_ns_; }
    int fd() const { return fd_.get(); }

private:
    friend class Downloads;
    friend class DownloadReader;
    Download(Partials& partials, Descriptor descriptor, std::shared_ptr<Sources> sources, std::size_t first_source)
        : partials_(partials),
          descriptor_(std::move(descriptor)),
          sources_(std::move(sources)),
          source_(first_source) {}

    // What the worker does, to the end.
    void run();
    Result<void> open();
    Result<void> fetch();
    // Takes up what an earlier attempt left.
    Result<void> resume();
    Result<void> take(std::string_view bytes);
    Result<void> begin_anew();
    // Pauses before the next attempt; false: nobody wants it any more.
    bool pause(std::int64_t ms);
    void set_state(State state);
    void end(std::optional<Error> error);
    bool unwanted() const { return wanted_ == 0; }

    Partials& partials_;
    const Descriptor descriptor_;
    const std::shared_ptr<Sources> sources_;
    std::size_t source_;
    std::atomic<int> wanted_ = 0;  // pulls that hold it
    std::atomic<State> state_ = State::queued;
    std::atomic<std::int64_t> received_ = 0, retry_at_ns_ = 0;
    UniqueFd fd_;            // set before State::running
    Sha256 hash_;            // of the file's bytes; the worker's alone
    std::int64_t skip_ = 0;  // bytes that are there already and come once more
    bool resumed_ = false;   // some bytes are of an earlier run

    std::mutex mutex_;  // below, and changes of state_ and received_ that someone waits for
    std::condition_variable changed_;
    std::optional<Error> error_;
    std::uint64_t generation_ = 0;  // counts how often the file was begun anew
};

class Downloads {
public:
    explicit Downloads(Partials& partials) : partials_(partials) {}
    // Ends what is under way; files stay as they are.
    ~Downloads();

    // Holds its place in a download until destroyed.
    class Place {
    public:
        Place(std::shared_ptr<Download> download, bool own);
        Place(Place&& other) noexcept = default;
        Place& operator=(Place&&) = delete;
        ~Place();
        const std::shared_ptr<Download>& get() const { return download_; }
        // Someone else's, which may have failed for reasons of theirs.
        bool joined() const { return !own_; }
        // Nobody else wants it.
        bool alone() const { return download_->wanted_ == 1; }

    private:
        std::shared_ptr<Download> download_;
        bool own_;
    };
    // Begins, or joins, the download of a blob. `side_by_side`: how many may run at once from now on.
    Place get(const Descriptor& descriptor, const std::shared_ptr<Sources>& sources, std::size_t first_source,
              int side_by_side);
    void stop();

private:
    void work();

    Partials& partials_;
    std::mutex mutex_;  // all below
    std::map<std::string, std::weak_ptr<Download>> known_;
    std::deque<std::shared_ptr<Download>> queue_;
    std::vector<std::shared_ptr<Download>> running_;
    std::map<std::thread::id, std::thread> workers_;
    std::vector<std::thread> ended_;
    bool stopping_ = false;
};

}  // namespace gantry::image::registry
