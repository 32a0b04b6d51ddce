#include "core/image/registry/downloads.hpp"

#include <algorithm>

namespace gantry::image::registry {

Downloads::Place::Place(std::shared_ptr<Download> download, bool own) : download_(std::move(download)), own_(own) {
    ++download_->wanted_;
    if (!own_) download_->sources_->join();
}

Downloads::Place::~Place() {
    if (!download_) return;
    if (!own_) download_->sources_->leave();
    --download_->wanted_;
}

Downloads::~Downloads() { stop(); }

void Downloads::stop() {
    std::vector<std::thread> threads;
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
        for (const auto& download : running_) download->sources_->stop();
        for (const auto& download : queue_) download->sources_->stop();
        for (auto& [id, thread] : workers_) threads.push_back(std::move(thread));
        workers_.clear();
        for (std::thread& thread : ended_) threads.push_back(std::move(thread));
        ended_.clear();
    }
    for (std::thread& thread : threads) thread.join();
    std::lock_guard lock(mutex_);
    for (const auto& download : queue_) download->end(fail(Code::cancelled, "the engine ends"));
    queue_.clear();
}

Downloads::Place Downloads::get(const Descriptor& descriptor, const std::shared_ptr<Sources>& sources,
                                std::size_t first_source, int side_by_side) {
    std::vector<std::thread> ended;
    std::unique_lock lock(mutex_);
    std::erase_if(known_, [](const auto& one) { return one.second.expired(); });
    auto& known = known_[descriptor.digest];
    auto there = known.lock();
    if (there && (there->state() == Download::State::failed || there->unwanted())) there.reset();
    const bool same = there && there->descriptor_.size == descriptor.size;
    if (same) return Place(std::move(there), false);
    std::shared_ptr<Download> download(new Download(partials_, descriptor, sources, first_source));
    Place place(download, true);
    if (there || stopping_) {
        download->end(there ? fail(Code::invalid, "blob " + descriptor.digest + " is being fetched with the size " +
                                                      std::to_string(there->descriptor_.size) + ", not " +
                                                      std::to_string(descriptor.size))
                            : fail(Code::cancelled, "the engine ends"));
        return place;
    }
    known = download;
    queue_.push_back(std::move(download));
    ended.swap(ended_);
    if (static_cast<int>(workers_.size()) < side_by_side) {
        std::thread worker([this] { work(); });
        const std::thread::id id = worker.get_id();
        workers_.emplace(id, std::move(worker));
    }
    lock.unlock();
    for (std::thread& thread : ended) thread.join();
    return place;
}

void Downloads::work() {
    std::unique_lock lock(mutex_);
    while (!stopping_ && !queue_.empty()) {
        std::shared_ptr<Download> download = std::move(queue_.front());
        queue_.pop_front();
        running_.push_back(download);
        lock.unlock();
        download->run();
        lock.lock();
        std::erase(running_, download);
        if (auto known = known_.find(download->descriptor_.digest);
            known != known_.end() && (known->second.expired() || download->state() == Download::State::failed))
            known_.erase(known);
    }
    // Who waits for this thread is told where it is now.
    if (auto me = workers_.find(std::this_thread::get_id()); me != workers_.end()) {
        ended_.push_back(std::move(me->second));
        workers_.erase(me);
    }
}

}  // namespace gantry::image::registry
