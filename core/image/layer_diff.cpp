#include "core/image/layer_diff.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <optional>
#include <thread>

namespace gantry::image {
namespace {

class Diff final : public ByteSource {
public:
    Diff(UniqueFd reading, UniqueFd writing, std::shared_ptr<driver::Driver> layers, const std::string& key)
        : reading_(std::move(reading)), thread_([this, layers, key, end = std::move(writing)]() mutable {
              auto done =
                  layers->call("layer/1", "diff", Json{{"key", key}}, {{"tar", end.get()}}, driver::Deadline::longer);
              if (!done) failed_ = std::move(done).error();
              end.reset();
          }) {}
    Diff(const Diff&) = delete;
    Diff& operator=(const Diff&) = delete;
    ~Diff() override {
        reading_.reset();  // the driver's next write fails, should it still be at it
        if (thread_.joinable()) thread_.join();
    }
    Result<std::size_t> read(char* data, std::size_t size) override {
        for (;;) {
            const ssize_t n = ::read(reading_.get(), data, size);
            if (n > 0) return static_cast<std::size_t>(n);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return fail_errno("read a layer");
            if (thread_.joinable()) thread_.join();
            if (failed_) return *failed_;
            return std::size_t{0};
        }
    }

private:
    UniqueFd reading_;
    std::optional<Error> failed_;  // written by the thread, read once it has ended
    std::thread thread_;           // last: it uses the others
};

}  // namespace

Result<std::unique_ptr<ByteSource>> layer_diff(std::shared_ptr<driver::Driver> layers, const std::string& key) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe");
    UniqueFd reading(ends[0]), writing(ends[1]);
    (void)::fcntl(reading.get(), F_SETPIPE_SZ, 1 << 20);  // fewer switches between the two threads; a wish
    return std::unique_ptr<ByteSource>(
        std::make_unique<Diff>(std::move(reading), std::move(writing), std::move(layers), key));
}

}  // namespace gantry::image
