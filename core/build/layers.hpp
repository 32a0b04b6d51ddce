// The layers that steps work in, over the layer driver. A layer being worked in has a key that begins with "build-", and
// goes with its Work unless committed; a committed one has its chain id for key, so that the same content is there once
// and an image can have it as it is.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/build/value.hpp"
#include "core/driver/driver.hpp"
#include "core/image/image_store.hpp"

namespace gantry::build {

inline constexpr std::string_view work_prefix = "build-";

class Layers {
public:
    Layers(std::shared_ptr<driver::Driver> driver, std::shared_ptr<image::LayerHold> hold)
        : driver_(std::move(driver)), hold_(std::move(hold)) {}

    // A layer that is being worked in, or a view.
    class Work {
    public:
        Work(std::shared_ptr<driver::Driver> driver, std::string key, std::string parent, Json mounts)
            : driver_(std::move(driver)),
              key_(std::move(key)),
              parent_(std::move(parent)),
              mounts_(std::move(mounts)) {}
        Work(Work&& other) noexcept;
        Work& operator=(Work&&) = delete;
        ~Work();
        const std::string& key() const { return key_; }
        const std::string& parent() const { return parent_; }
        const Json& mounts() const { return mounts_; }

    private:
        friend class Layers;
        std::shared_ptr<driver::Driver> driver_;
        std::string key_, parent_;  // key "": nothing to remove
        Json mounts_;
    };
    // Told before a committed layer is worked with: it may have to be fetched first. Once, before anything else.
    void on_need(std::function<Result<void>(const std::string& key)> need) { need_ = std::move(need); }
    // A layer and all below it are there afterwards.
    Result<void> need(const std::string& key) { return need_ && !key.empty() ? need_(key) : Result<void>(); }
    // `parent`: chain id, "" for none.
    Result<Work> prepare(const std::string& parent);
    Result<Work> view(const std::string& parent);
    // Sets the times of what the layer changed that are later than `epoch` (seconds) to it.
    Result<void> clamp_times(const Work& work, std::int64_t epoch);
    // The layer's digest is made and it is committed. Nothing may be mounted on it any more.
    Result<LayerRef> commit(Work work);
    // The layer `independent`, which stands on nothing, once more over `parent`.
    Result<LayerRef> place(const LayerRef& independent, const std::string& parent);
    // The layer as a tar, block by block; a `write` that fails ends it.
    Result<void> read_diff(const std::string& key, const std::function<Result<void>(std::string_view)>& write);
    // Keeps a committed layer from being collected while the build goes on.
    void hold(const std::string& key) { hold_->add(key); }

private:
    Result<Work> begin(const char* operation, const std::string& parent);
    Result<std::string> diff_id(const std::string& key);

    std::shared_ptr<driver::Driver> driver_;
    std::shared_ptr<image::LayerHold> hold_;
    std::function<Result<void>(const std::string&)> need_;
};

// Removes what builds of an engine that was killed left being worked in.
Result<void> sweep_layers(driver::Driver& driver);

}  // namespace gantry::build
