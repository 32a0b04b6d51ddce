// Image archives, byte by byte: taken apart and understood, or refused; either way nothing is left of them.
#include "core/image/archive_plan.hpp"
#include "core/base/files.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/fuzz/scratch.hpp"
#include "tests/fuzz/tar_bytes.hpp"

#include <fcntl.h>
#include <sys/mman.h>

namespace {

const gantry::image::BlobStore& blobs() {
    static const auto store = gantry::image::BlobStore::open(gantry::fuzz::in_scratch("store"));
    gantry::fuzz::require(bool(store), "the store cannot be made");
    return *store;
}

void read_once(int fd) {
    using namespace gantry;
    auto stream = image::decompressed(image::source_of(fd), {4 << 20, 64 << 10, 250});
    if (!stream) return fuzz::require_told(stream.error().text);
    auto spool = image::Spool::read(**stream, blobs());
    if (!spool) return fuzz::require_told(spool.error().text);
    auto plan = image::plan_archive(*spool);
    if (!plan) return fuzz::require_told(plan.error().text);
    for (const auto& planned : *plan)
        for (const auto& layer : planned.layers) fuzz::require(layer.file != nullptr, "a layer without a file");
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    gantry::fuzz::make_scratch();
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gantry;
    static const int memory = ::memfd_create("archive", MFD_CLOEXEC);
    const std::string tar = fuzz::with_checksums(fuzz::text_of(data, size));
    if (::ftruncate(memory, 0) != 0 ||
        ::pwrite(memory, tar.data(), tar.size(), 0) != static_cast<ssize_t>(tar.size()) ||
        ::lseek(memory, 0, SEEK_SET) != 0)
        fuzz::broken("the archive cannot be written");
    read_once(memory);
    auto left = list_directory(fuzz::in_scratch("store/tmp"));
    fuzz::require(left && left->empty(), "files are left behind");
    return 0;
}
