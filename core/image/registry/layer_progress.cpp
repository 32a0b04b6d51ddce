#include "core/image/registry/layer_progress.hpp"

#include "core/base/clock.hpp"

namespace gantry::image::registry {

LayerProgress::~LayerProgress() { end(); }

LayerProgress::Row& LayerProgress::add(const std::string& digest, std::int64_t size, bool here) {
    rows_.push_back(std::make_unique<Row>());
    Row& row = *rows_.back();
    row.id = std::string(hex_of(digest).substr(0, 12));
    row.size = size;
    row.complete = here;
    if (progress_) {
        row.told = here ? "Already exists" : "Pulling fs layer";
        progress_({{"status", row.told}, {"progressDetail", Json::object()}, {"id", row.id}});
    }
    return row;
}

void LayerProgress::begin() {
    if (!progress_) return;
    thread_ = std::thread([this] {
        std::unique_lock lock(mutex_);
        while (!ending_) {
            look();
            wake_.wait_for(lock, std::chrono::milliseconds(100));
        }
        look();
    });
}

void LayerProgress::replace(Row& row, std::shared_ptr<Download> download) {
    std::lock_guard lock(mutex_);
    row.download = std::move(download);
}

void LayerProgress::end() {
    {
        std::lock_guard lock(mutex_);
        ending_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void LayerProgress::tell(Row& row, const std::string& status, std::int64_t bytes) {
    if (row.told == status && row.told_bytes == bytes) return;
    row.told = status;
    row.told_bytes = bytes;
    Json detail = Json::object();
    if (bytes >= 0) detail = {{"current", bytes}, {"total", row.size}};
    progress_({{"status", status}, {"progressDetail", std::move(detail)}, {"id", row.id}});
}

void LayerProgress::look() {
    for (auto& row : rows_) look_at(*row);
}

void LayerProgress::look_at(Row& row) {
    if (row.told == "Already exists" || row.told == "Pull complete") return;
    using State = Download::State;
    const bool complete = row.complete;
    if (row.download) {
        switch (row.download->state()) {
        case State::queued: return tell(row, "Waiting");
        case State::running: return tell(row, "Downloading", row.download->received());
        case State::retrying: {
            const std::int64_t left = row.download->retry_at_ns() - monotonic_ns();
            const std::int64_t seconds = std::max<std::int64_t>(1, (left + 999'999'999) / 1'000'000'000);
            return tell(row, "Retrying in " + std::to_string(seconds) + (seconds == 1 ? " second" : " seconds"));
        }
        case State::checking: return tell(row, "Verifying Checksum");
        case State::failed: return;
        case State::done:
            if (row.told != "Download complete" && row.told != "Extracting") tell(row, "Download complete");
            break;
        }
    }
    if (row.unpacking) tell(row, "Extracting", row.unpacked);
    if (complete) tell(row, "Pull complete");
}

}  // namespace gantry::image::registry
