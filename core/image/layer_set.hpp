// The layers of an image, lowest first, into committed layers: unpacked side by side where the layer driver can put a
// layer on its parent later, one after another otherwise; checked and committed in order.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/image/byte_source.hpp"
#include "core/image/layer_unpacker.hpp"

namespace gantry::image {

// A layer under its working key, not committed yet.
struct UnpackedLayer {
    LayerUnpacker::Working working;
    std::unique_ptr<Pins::Hold> pinned;
};

struct LayerInput {
    std::string diff_id;  // which its plain tar must have
    // Its bytes, possibly compressed, possibly still arriving; a failure of the source, its last read too, is the
    // layer's. Asked for once, on a thread of the set, and not at all where the layer is there already.
    std::function<Result<std::unique_ptr<ByteSource>>()> open;
    // Gives the layer where it is being unpacked already, over no parent; nullopt: it is not, so it is opened. May wait,
    // but not after Told::gave_up; `moved` is told the bytes of plain tar meanwhile.
    using Moved = std::function<void(std::int64_t)>;
    std::function<std::optional<Result<UnpackedLayer>>(const Moved& moved)> early = {};
};

struct LayerOutput {
    std::string key;  // chain id
    std::int64_t usage_bytes = 0;
    bool fresh = false;  // made now; false: it was there
};

class LayerSet {
public:
    // What happens, from any of the set's threads: the bytes of plain tar that a layer (by its place) has moved so far,
    // and that it is committed, once for each fresh one, one at a time, in order.
    struct Told {
        std::function<void(std::size_t layer, std::int64_t bytes)> moved;
        std::function<void(std::size_t layer, const LayerOutput& output, std::int64_t tar_bytes)> committed;
        // A layer has failed: sources that may keep the others waiting are to end. Called under a lock: must not block.
        std::function<void()> gave_up = {};
    };

    // `jobs`: layers unpacked at once at most; 0: as many as the machine has processors, 8 at most.
    LayerSet(LayerUnpacker unpacker, Pins& pins, std::size_t jobs = 0);
    static std::size_t default_jobs();

    // Returns when all are committed or one has failed and the others have stopped. Failed: the committed ones stay,
    // and are the caller's to remove (Told::committed); nothing else is left. All keys are pinned by `hold`.
    Result<std::vector<LayerOutput>> unpack(const std::vector<LayerInput>& layers, Pins::Hold& hold, const Told& told);

private:
    struct Run;
    LayerUnpacker unpacker_;
    Pins& pins_;
    std::size_t jobs_;
};

}  // namespace gantry::image
