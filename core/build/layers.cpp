#include "core/build/layers.hpp"

#include <fcntl.h>
#include <signal.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include <gantry/driver.hpp>
#include <gantry/layer.hpp>

#include "core/base/failpoint.hpp"
#include "core/base/ids.hpp"
#include "core/base/log.hpp"
#include "core/base/safe_path.hpp"
#include "core/container/rootfs_view.hpp"
#include "core/image/digest.hpp"

namespace gantry::build {
namespace {

constexpr std::string_view table = "layer/1";

struct Pipe {
    UniqueFd out, in;
};
Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe");
    Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
    (void)::fcntl(pipe.out.get(), F_SETPIPE_SZ, 1 << 20);  // fewer switches between the two threads; a wish
    return pipe;
}

}  // namespace

Layers::Work::Work(Work&& other) noexcept
    : driver_(std::move(other.driver_)),
      key_(std::exchange(other.key_, {})),
      parent_(std::move(other.parent_)),
      mounts_(std::move(other.mounts_)) {}

Layers::Work::~Work() {
    if (key_.empty()) return;
    auto removed = driver_->call(table, "remove", Json{{"key", key_}}, {}, driver::Deadline::longer);
    if (!removed)
        log::warn("a build's layer could not be removed", {{"layer", key_}, {"reason", removed.error().text}});
}

Result<Layers::Work> Layers::begin(const char* operation, const std::string& parent) {
    GANTRY_CHECK(need(parent));
    const std::string key = std::string(work_prefix) + new_id();
    Json request{{"key", key}, {"parent", parent}};
    if (std::string_view(operation) == "prepare") request["labels"] = Json::object();
    GANTRY_TRY(driver::Reply reply, driver_->call(table, operation, std::move(request)));
    return Work(driver_, key, parent, reply.result["mounts"]);
}

Result<Layers::Work> Layers::prepare(const std::string& parent) { return begin("prepare", parent); }
Result<Layers::Work> Layers::view(const std::string& parent) { return begin("view", parent); }

Result<void> Layers::clamp_times(const Work& work, std::int64_t epoch) {
    GANTRY_TRY(driver::Reply reply,
               driver_->call(table, "changes", Json{{"key", work.key()}}, {}, driver::Deadline::longer));
    GANTRY_TRY(UniqueFd root, container::open_rootfs(work.mounts(), container::Access::read_write));
    const timespec clamped{epoch, 0};
    // Children before parents: nothing here changes a directory's time, but a link may lead to one.
    for (const Json& item : reply.result["changes"]) {
        const Change change = item.get<Change>();
        if (change.kind == "deleted") continue;
        const std::size_t slash = change.path.rfind('/');
        const std::string name = change.path.substr(slash + 1);
        GANTRY_TRY(UniqueFd parent, open_in_root(root.get(), change.path.substr(0, slash + 1), O_PATH | O_DIRECTORY));
        struct stat info {};
        const char* entry = name.empty() ? "." : name.c_str();
        if (::fstatat(parent.get(), entry, &info, AT_SYMLINK_NOFOLLOW) != 0)
            return fail_errno("stat \"" + change.path + "\"");
        if (info.st_mtim.tv_sec < epoch || (info.st_mtim.tv_sec == epoch && info.st_mtim.tv_nsec == 0)) continue;
        const timespec times[2] = {clamped, clamped};
        if (::utimensat(parent.get(), entry, times, AT_SYMLINK_NOFOLLOW) != 0)
            return fail_errno("set the time of \"" + change.path + "\"");
    }
    return {};
}

Result<void> Layers::read_diff(const std::string& key, const std::function<Result<void>(std::string_view)>& write) {
    GANTRY_TRY(Pipe pipe, make_pipe());
    std::optional<Error> failed;
    std::thread reader([&, out = std::move(pipe.out)]() mutable {
        std::vector<char> buffer(256u << 10);
        for (;;) {
            const ssize_t n = ::read(out.get(), buffer.data(), buffer.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) failed = fail_errno("read a layer");
            if (n <= 0) break;
            if (auto written = write({buffer.data(), static_cast<std::size_t>(n)}); !written) {
                failed = std::move(written).error();
                break;
            }
        }
        out.reset();  // ends the driver's writing, too
    });
    auto done = driver_->call(table, "diff", Json{{"key", key}}, {{"tar", pipe.in.get()}}, driver::Deadline::longer);
    pipe.in.reset();
    reader.join();
    if (failed) return *failed;
    if (!done) return std::move(done).error();
    return {};
}

// The digest of the layer as a tar, without the tar ever being whole anywhere.
Result<std::string> Layers::diff_id(const std::string& key) {
    image::Sha256 hash;
    GANTRY_CHECK(read_diff(key, [&](std::string_view bytes) -> Result<void> {
        hash.update(bytes);
        return {};
    }));
    return hash.finish();
}

Result<LayerRef> Layers::commit(Work work) {
    LayerRef layer;
    GANTRY_TRY(layer.diff_id, diff_id(work.key()));
    layer.key = image::chain_id(work.parent(), layer.diff_id);
    hold_->add(layer.key);
    GANTRY_FAILPOINT("build.layer.before_commit");
    GANTRY_CHECK(
        driver_->call(table, "commit", Json{{"key", work.key()}, {"name", layer.key}}, {}, driver::Deadline::longer));
    work.key_.clear();
    GANTRY_FAILPOINT("build.layer.after_commit");
    GANTRY_TRY(driver::Reply usage, driver_->call(table, "usage", Json{{"key", layer.key}}));
    layer.size = member<std::int64_t>(usage.result, "bytes");
    return layer;
}

Result<LayerRef> Layers::place(const LayerRef& independent, const std::string& parent) {
    if (parent.empty()) return independent;
    LayerRef layer{image::chain_id(parent, independent.diff_id), independent.diff_id, independent.size};
    hold_->add(layer.key);
    GANTRY_TRY(driver::Reply stat, driver_->call(table, "stat", Json{{"key", layer.key}}));
    if (member<std::string>(stat.result, "state") == "committed") return layer;
    GANTRY_CHECK(need(independent.key));
    GANTRY_TRY(Work work, prepare(parent));
    GANTRY_TRY(Pipe pipe, make_pipe());
    std::optional<Error> failed;
    std::thread writer([&, in = std::move(pipe.in)] {
        auto done =
            driver_->call(table, "diff", Json{{"key", independent.key}}, {{"tar", in.get()}}, driver::Deadline::longer);
        if (!done) failed = std::move(done).error();
    });
    auto applied =
        driver_->call(table, "apply", Json{{"key", work.key()}}, {{"tar", pipe.out.get()}}, driver::Deadline::longer);
    pipe.out.reset();
    writer.join();
    if (!applied) return std::move(applied).error();
    if (failed) return *failed;
    GANTRY_CHECK(
        driver_->call(table, "commit", Json{{"key", work.key()}, {"name", layer.key}}, {}, driver::Deadline::longer));
    work.key_.clear();
    return layer;
}

Result<void> sweep_layers(driver::Driver& driver) {
    GANTRY_TRY(driver::Reply listed, driver.call(table, "list", Json::object()));
    for (const std::string& key : member<std::vector<std::string>>(listed.result, "keys")) {
        if (!key.starts_with(work_prefix)) continue;
        GANTRY_CHECK(driver.call(table, "remove", Json{{"key", key}}, {}, driver::Deadline::longer));
        log::info("an unfinished build's layer was removed", {{"layer", key}});
    }
    return {};
}

}  // namespace gantry::build
