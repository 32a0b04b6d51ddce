#include "core/image/layer_set.hpp"

#include <condition_variable>
#include <thread>

#include <gantry/driver.hpp>

#include "core/image/digest.hpp"

namespace gantry::image {
namespace {

constexpr std::size_t max_jobs = 8;

}  // namespace

// One call of unpack(), shared by its threads.
struct LayerSet::Run {
    LayerUnpacker& unpacker;
    Pins& pins;
    Pins::Hold& hold;
    const std::vector<LayerInput>& layers;
    const Told& told;
    const bool can_rebase;

    std::vector<LayerOutput> outputs;
    std::vector<bool> there;  // committed before this call
    std::atomic<bool> stop = false;

    std::mutex mutex{};                                 // the members below
    std::size_t next = 0;                               // to be unpacked
    std::size_t committed = 0;                          // the lowest layer that is not
    std::vector<std::optional<UnpackedLayer>> ready{};  // unpacked, waiting for those below
    std::optional<Error> failed{};
    std::condition_variable changed{};  // of `ready`, `committed` and `failed`

    const std::string& below(std::size_t layer) const {
        static const std::string none;
        return layer == 0 ? none : outputs[layer - 1].key;
    }

    // `mutex` is held.
    void give_up(Error error) {
        if (!failed) failed = std::move(error);
        stop = true;
        if (told.gave_up) told.gave_up();
        changed.notify_all();
    }

    // One layer after another until there are no more.
    void work() {
        while (!stop) {
            std::size_t layer = 0;
            std::string parent;
            {
                std::unique_lock lock(mutex);
                while (next < layers.size() && there[next]) ++next;
                if (next == layers.size()) return;
                layer = next++;
                // Without "rebase" the layer below has to be there first.
                if (!can_rebase) changed.wait(lock, [&] { return failed || committed >= layer; });
                if (failed) return;
                if (committed >= layer) parent = below(layer);
            }
            auto unpacked = unpack(layer, parent);
            std::lock_guard lock(mutex);
            if (!unpacked) return give_up(std::move(unpacked).error());
            ready[layer] = std::move(*unpacked);
            changed.notify_all();
        }
    }

    Result<UnpackedLayer> unpack(std::size_t layer, const std::string& parent) {
        const LayerInput& input = layers[layer];
        const LayerInput::Moved moved = [&](std::int64_t bytes) {
            if (told.moved) told.moved(layer, bytes);
        };
        if (input.early)
            if (auto early = input.early(moved)) return as_expected(std::move(*early), input.diff_id);
        GANTRY_TRY(auto source, input.open());
        GANTRY_TRY(auto plain, decompressed(std::move(source)));
        UnpackedLayer unpacked{{}, std::make_unique<Pins::Hold>(pins)};
        GANTRY_TRY(unpacked.working, unpacker.apply(*plain, parent, input.diff_id, *unpacked.pinned, moved, &stop));
        return unpacked;
    }

    Result<UnpackedLayer> as_expected(Result<UnpackedLayer> early, const std::string& diff_id) {
        if (!early || early->working.diff_id == diff_id) return early;
        unpacker.discard(early->working);
        return LayerUnpacker::wrong_content(early->working.diff_id, diff_id);
    }

    // Commits each layer that has nothing uncommitted below it any more, until all are there. On a thread of its own,
    // since a commit waits for the disk: the others go on meanwhile.
    void commit_all() {
        std::unique_lock lock(mutex);
        while (committed < layers.size()) {
            const std::size_t layer = committed;
            changed.wait(lock, [&] { return failed || ready[layer]; });
            if (failed) return;
            const LayerUnpacker::Working working = ready[layer]->working;
            lock.unlock();
            auto done = commit(layer, working);
            lock.lock();
            if (!done) return give_up(std::move(done).error());
            ready[layer].reset();
            ++committed;
            while (committed < layers.size() && there[committed]) ++committed;
            changed.notify_all();
        }
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
    : unpacker_(unpacker), pins_(pins), jobs_(jobs == 0 ? default_jobs() : jobs) {}

std::size_t LayerSet::default_jobs() {
    return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, max_jobs);
}

Result<std::vector<LayerOutput>> LayerSet::unpack(const std::vector<LayerInput>& layers, Pins::Hold& hold,
                                                  const Told& told) {
    Run run{unpacker_,
            pins_,
            hold,
            layers,
            told,
            unpacker_.can_rebase(),
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

    const std::size_t jobs = run.can_rebase ? std::min(jobs_, missing) : std::min<std::size_t>(1, missing);
    {
        std::vector<std::jthread> threads;  // joined at the end of the block
        for (std::size_t i = 0; i < jobs; ++i) threads.emplace_back([&run] { run.work(); });
        run.commit_all();
    }
    for (const auto& left : run.ready)
        if (left) unpacker_.discard(left->working);
    if (run.failed) return *run.failed;
    return std::move(run.outputs);
}

}  // namespace gantry::image
