// What the parts of Service share (service.cpp, pull.cpp, push.cpp, search.cpp).
#pragma once
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>

#include "core/image/image_store_impl.hpp"
#include "core/image/registry/downloads.hpp"
#include "core/image/registry/service.hpp"

namespace gantry::image::registry {

// One at a time for each key: of two who would make the same, the second finds it made.
class KeyLocks {
public:
    class Lock {
    public:
        Lock(KeyLocks& locks, std::string key) : locks_(locks), key_(std::move(key)) {}
        Lock(const Lock&) = delete;
        Lock& operator=(const Lock&) = delete;
        ~Lock();

    private:
        KeyLocks& locks_;
        const std::string key_;
    };
    // Waits; nullptr once `cancelled`.
    std::unique_ptr<Lock> lock(const std::string& key, const Cancelled& cancelled);

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<std::string> held_;
};

struct Service::Impl {
    ImageStore& images;
    std::function<Settings()> settings;
    std::unique_ptr<Partials> partials;
    std::atomic<bool> stopping = false;
    KeyLocks layers;  // by chain id, while a layer is unpacked; by blob, while one is compressed
    std::unique_ptr<Downloads> downloads;

    ImageStore::Impl& store() { return images.parts(); }
    // The caller's wish, or the engine's end.
    Cancelled until_stopped(const Cancelled& cancelled) {
        return [this, cancelled] { return stopping || (cancelled && cancelled()); };
    }
};

}  // namespace gantry::image::registry
