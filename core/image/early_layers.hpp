// Layers of an image archive that are unpacked while the archive still comes in. What an archive holds is told by its
// last members, so nothing is known of them yet but that they look like layers: what comes out is kept under working keys
// that nothing names, and is worth something only once it is taken and its digest is the one that a config asks for.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/image/layer_set.hpp"
#include "core/image/spool_watch.hpp"

namespace gantry::image {

class EarlyLayers final : public SpoolWatch {
public:
    class Member final : public SpoolWatch::Member {
    public:
        explicit Member(EarlyLayers& all, std::string path) : all_(all), path_(std::move(path)) {}
        void grown(std::int64_t size) override;
        void ended(bool good) override;

    private:
        friend class EarlyLayers;
        class Source;
        EarlyLayers& all_;
        const std::string path_;
        // Below: EarlyLayers::mutex_.
        std::int64_t size_ = 0, moved_ = 0;
        enum class File { growing = 1, whole, bad } file_ = File::growing;
        std::optional<Result<UnpackedLayer>> outcome_;
    };

    // `known`, called from begin(): a layer of this digest, as a blob or unpacked, is here already. `jobs`: layers
    // unpacked at once at most; 0: as many as the machine has processors, 8 at most.
    EarlyLayers(LayerUnpacker unpacker, Pins& pins, std::function<bool(const std::string& digest)> known,
                std::size_t jobs = 0);
    // Stops what is under way and throws away what was not taken.
    ~EarlyLayers() override;
    EarlyLayers(const EarlyLayers&) = delete;
    EarlyLayers& operator=(const EarlyLayers&) = delete;

    // nullptr: it is not to be unpacked early.
    std::shared_ptr<SpoolWatch::Member> begin(const std::string& name, const std::string& path,
                                              std::string_view head) override;

    // What was unpacked from the file `path`, waiting for it; `moved` is told the bytes of plain tar so far, from this
    // thread. nullopt: it was not begun, has been taken, or came too slowly for the driver. From any thread.
    std::optional<Result<UnpackedLayer>> take(const std::string& path, const std::function<void(std::int64_t)>& moved);

    // Ends everything that is under way, and all waiting, soon. Does not block. Repeatable, from any thread.
    void stop();

private:
    void work();
    Result<UnpackedLayer> unpack(const std::shared_ptr<Member>& member);

    LayerUnpacker unpacker_;
    Pins& pins_;
    const std::function<bool(const std::string& digest)> known_;
    const std::size_t jobs_;
    std::atomic<bool> stop_ = false;
    std::mutex mutex_;  // below
    std::condition_variable changed_;
    std::map<std::string, std::shared_ptr<Member>> members_;  // by path; not yet taken
    std::deque<std::shared_ptr<Member>> queue_;
    std::size_t begun_ = 0, idle_ = 0;
    std::vector<std::thread> threads_;
};

}  // namespace gantry::image
