// A file of an address for those who are no build: the same addresses are refused, and what did not change is kept.
#include <fcntl.h>

#include "core/base/clock.hpp"
#include "core/base/safe_path.hpp"
#include "core/build/sources.hpp"
#include "core/build/trees.hpp"
#include "core/daemon/api/build.hpp"

namespace gantry::daemon {
namespace {

constexpr const char* fetched_name = "fetched";
constexpr std::int64_t told_every_ns = 100'000'000;

}  // namespace

Result<UniqueFd> fetch_file(build::BuildService& builds, const std::string& url, const image::Progress& progress,
                            const Deps::Watch& watch) {
    build::Cancel cancel;
    watch([&cancel] { cancel.cancel(); });
    std::int64_t told_ns = 0;
    const build::OnProgress moved = [&](std::string_view, std::int64_t now, std::int64_t total) {
        const std::int64_t time = monotonic_ns();
        if (time - told_ns < told_every_ns) return;
        told_ns = time;
        Json detail{{"current", now}};
        if (total > 0) detail["total"] = total;
        progress({{"status", "Downloading"}, {"progressDetail", detail}});
    };
    auto value = builds.sources().http({url, "", fetched_name}, moved, cancel);
    watch({});
    if (!value) return std::move(value).error();
    return open_in_root(value->tree->root(), fetched_name, O_RDONLY);
}

}  // namespace gantry::daemon
