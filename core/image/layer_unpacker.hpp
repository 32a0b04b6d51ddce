// A stream of a layer's tar, through the layer driver, into a committed layer whose content is known by digest.
#pragma once
#include <atomic>
#include <functional>
#include <string>

#include <gantry/result.hpp>

#include "core/driver/driver.hpp"
#include "core/image/byte_source.hpp"
#include "core/image/pins.hpp"

namespace gantry::image {

class LayerUnpacker {
public:
    explicit LayerUnpacker(driver::Driver& layers) : layers_(layers) {}

    struct Unpacked {
        std::string key;      // chain id, committed
        std::string diff_id;  // of the plain tar
        std::int64_t tar_bytes = 0;
        std::int64_t usage_bytes = 0;
    };
    // Unpacks the plain tar `from` over `parent` ("" for none) and commits it under its chain id. `expected` is the
    // diff id it must have ("" for any). `moved` is told the bytes read so far, from another thread. The working key
    // and the new layer's are pinned by `hold`. Failed: nothing is left.
    Result<Unpacked> unpack(ByteSource& from, const std::string& parent, const std::string& expected, Pins::Hold& hold,
                            const std::function<void(std::int64_t)>& moved);

    // The two halves of unpack(). Between them the layer has the working key, which is the caller's to commit or to
    // discard; apply() that failed has left nothing. `stop`, borrowed, may be set by another thread: then it fails soon.
    struct Working {
        std::string key, parent, diff_id;
        std::int64_t tar_bytes = 0;
    };
    Result<Working> apply(ByteSource& from, const std::string& parent, const std::string& expected, Pins::Hold& hold,
                          const std::function<void(std::int64_t)>& moved, const std::atomic<bool>* stop = nullptr);
    // Commits under the chain id over `parent`, which may differ from the one it was unpacked over only where
    // can_rebase() and that was "". Failed: the working layer is still there.
    Result<Unpacked> commit(const Working& working, const std::string& parent, Pins::Hold& hold);
    void discard(const Working& working);
    static Error wrong_content(const std::string& diff_id, const std::string& expected);
    // The driver can put a layer on its parent when it is committed (ability "rebase", abi/layer.h).
    bool can_rebase() const;

    // True for a committed layer.
    Result<bool> has(const std::string& key);
    Result<std::int64_t> usage(const std::string& key);
    Result<void> remove(const std::string& key);

private:
    driver::Driver& layers_;
};

// Keys of layers that are being unpacked begin so; one without a living unpacker is garbage.
inline constexpr std::string_view unpack_prefix = "unpack-";

}  // namespace gantry::image
