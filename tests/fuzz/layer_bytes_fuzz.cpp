// Layers as bytes of a tar stream.
#include "tests/fuzz/layer_root.hpp"
#include "tests/fuzz/tar_bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static gantry::fuzz::LayerRoot root;
    root.unpack(gantry::fuzz::with_checksums(gantry::fuzz::text_of(data, size)));
    return 0;
}
