#include "core/image/layer_set.hpp"

#include <thread>

#include <gantry/driver.hpp>

#include "core/image/digest.hpp"

namespace gantry::image {
namespace {

constexpr std::size_t max_jobs = 8;

std::size_t processors() { return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, max_jobs); }

}  // namespace

// One call of unpack(), shared by its threads.
struct LayerSet::Run {
    LayerUnpacker& unpacker;
    Pins& pins;
    Pins::Hold& hold;
    const std::vector<LayerInput>& layers;
    const Told& told;

    std::vector<LayerOutput> outputs;
    std::vector<bool> there;  // committed before this call
    std::atomic<bool> stop = false;

    std::mutex mutex{};         // the members below
    std::size_t next = 0;       // to be unpacked
    std::size_t committed = 0;  // the lowest layer that is not
    bool committing = false;
    struct Ready {
        LayerUnpacker::Working working;
        std::unique_ptr<Pins::Hold> pinned;
    };
    std::vector<std::optional<Ready>> ready{};  // unpacked, waiting for those below
    std::optional<Error> failed{};

    const std::string& below(std::size_t layer) const {
        static const std::string none;
        return layer == 0 ? none : outputs[layer - 1].key;
    }

    void give_up(Error error) {
        std::lock_guard lock(mutex);
        if (!failed) failed = std::move(error);
        stop = true;
    }

    // One layer after another until there are no more.
    void work() {
        while (!stop) {
            std::size_t layer = 0;
            std::string parent;
            {
                std::lock_guard lock(mutex);
                while (next < layers.size() && there[next]) ++next;
                if (next == layers.size()) return;
                layer = next++;
                if (committed >= layer) parent = below(layer);
            }
            auto pinned = std::make_unique<Pins::Hold>(pins);
            auto working = unpack(layer, parent, *pinned);
            if (!working) return give_up(std::move(working).error());
            {
                std::lock_guard lock(mutex);
                ready[layer] = Ready{std::move(*working), std::move(pinned)};
            }
            commit_ready();
        }
    }

    Result<LayerUnpacker::Working> unpack(std::size_t layer, const std::string& parent, Pins::Hold& working_key) {
        GANTRY_TRY(auto source, layers[layer].open());
        GANTRY_TRY(auto plain, decompressed(std::move(source)));
        const std::function<void(std::int64_t)> moved = [&](std::int64_t bytes) {
            if (told.moved) told.moved(layer, bytes);
        };
        return unpacker.apply(*plain, parent, layers[layer].diff_id, working_key, moved, &stop);
    }

    // Commits what has nothing uncommitted below it any more. One thread does, also for the others, which go on.
    void commit_ready() {
        std::unique_lock lock(mutex);
        if (committing) return;
        committing = true;
        while (!failed && committed < layers.size()) {
            const std::size_t layer = committed;
            if (!there[layer]) {
                if (!ready[layer]) break;
                const LayerUnpacker::Working working = ready[layer]->working;
                lock.unlock();
                auto done = commit(layer, working);
                lock.lock();
                if (!done) {
                    if (!failed) failed = std::move(done).error();
                    stop = true;
                    break;
                }
                ready[layer].reset();
            }
            ++committed;
        }
        committing = false;
    }

    Result<void> commit(std::size_t layer, const LayerUnpacker::Working& working) {
        GANTRY_TRY(auto unpacked, unpacker.commit(working, below(layer), hold));
        outputs[layer].usage_bytes = unpacked.usage_bytes;
        outputs[layer].fresh = true;
        if (told.committed) told.committed(layer, outputs[layer], unpacked.tar_bytes);
        return {};
    }
};

LayerSet::LayerSet(LayerUnpacker unpacker, Pins& pins, std::size_t jobs)
    : unpacker_(unpacker), pins_(pins), jobs_(jobs == 0 ? processors() : jobs) {}

Result<std::vector<LayerOutput>> LayerSet::unpack(const std::vector<LayerInput>& layers, Pins::Hold& hold,
                                                  const Told& told) {
    Run run{unpacker_,
            pins_,
            hold,
            layers,
            told,
            std::vector<LayerOutput>(layers.size()),
            std::vector<bool>(layers.size())};
    run.ready.resize(layers.size());
    std::size_t missing = 0;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        LayerOutput& output = run.outputs[i];
        output.key = chain_id(run.below(i), layers[i].diff_id);
        hold.add(output.key);
        GANTRY_TRY(bool there, unpacker_.has(output.key));
        run.there[i] = there;
        if (there) {
            GANTRY_TRY(output.usage_bytes, unpacker_.usage(output.key));
        } else {
            ++missing;
        }
    }
    while (run.committed < layers.size() && run.there[run.committed]) ++run.committed;

    const std::size_t jobs = unpacker_.can_rebase() ? std::min(jobs_, missing) : std::min<std::size_t>(1, missing);
    {
        std::vector<std::jthread> threads;  // joined at the end of the block
        for (std::size_t i = 1; i < jobs; ++i) threads.emplace_back([&run] { run.work(); });
        run.work();
    }
    for (const auto& left : run.ready)
        if (left) unpacker_.discard(left->working);
    if (run.failed) return *run.failed;
    return std::move(run.outputs);
}

}  // namespace gantry::image
