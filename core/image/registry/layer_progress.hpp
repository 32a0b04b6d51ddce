// The layers of one pull as Docker's clients are told of them: a row for each, looked at ten times a second.
#pragma once
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/image/image_store.hpp"
#include "core/image/registry/downloads.hpp"

namespace gantry::image::registry {

// Begins with its first message and ends with the object; what is told comes from a thread of its own.
class LayerProgress {
public:
    struct Row {
        std::string id;                      // "4f4fb700ef54"
        std::shared_ptr<Download> download;  // nullptr: the blob is here
        std::int64_t size = 0;
        std::atomic<std::int64_t> unpacked = 0;  // bytes of the blob
        std::atomic<bool> unpacking = false, complete = false;

    private:
        friend class LayerProgress;
        std::string told;  // the last status
        std::int64_t told_bytes = -1;
    };
    explicit LayerProgress(const Progress& progress) : progress_(progress) {}
    ~LayerProgress();
    LayerProgress(const LayerProgress&) = delete;
    LayerProgress& operator=(const LayerProgress&) = delete;

    // Before begin(). `here`: nothing is to be done for it.
    Row& add(const std::string& digest, std::int64_t size, bool here);
    void begin();
    // Another one has taken the place of a download that failed.
    void replace(Row& row, std::shared_ptr<Download> download);
    // Tells the last state of every row; nothing is told afterwards.
    void end();

private:
    void look();
    void look_at(Row& row);
    void tell(Row& row, const std::string& status, std::int64_t bytes = -1);

    const Progress& progress_;
    std::mutex mutex_;  // of the rows, but for what is atomic
    std::condition_variable wake_;
    std::vector<std::unique_ptr<Row>> rows_;
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace gantry::image::registry
