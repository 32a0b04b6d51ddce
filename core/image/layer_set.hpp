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

struct LayerInput {
    std::string diff_id;  // which its plain tar must have
    // Its bytes, possibly compressed, possibly still arriving; a failure of the source, its last read too, is the
    // layer's. Asked for once, on a thread of the set, and not at all where the layer is there already.
    std::function<Result<std::unique_ptr<ByteSource>>()> open;
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
    };

    // `jobs`: layers unpacked at once at most; 0: as many as the machine has processors, 8 at most.
    LayerSet(LayerUnpacker unpacker, Pins& pins, std::size_t jobs = 0);

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
