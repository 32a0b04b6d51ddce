// Lines of import --change: what they make of a config is a config, and can be applied again.
#include "core/image/archive_plan.hpp"
#include "core/image/changes.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gantry;
    std::string_view text = fuzz::text_of(data, size);
    Json config = Json::object();
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        const Json before = config;
        if (auto done = image::apply_change(config, line); !done) {
            fuzz::require_told(done.error().text);
            config = before;
            continue;
        }
        const Json document{{"os", "linux"}, {"config", config}, {"rootfs", {{"diff_ids", Json::array()}}}};
        const std::string written = document.dump(-1, ' ', false, Json::error_handler_t::replace);
        auto parsed = image::parse_config(written);
        fuzz::require(bool(parsed), "the change makes no config: " + (parsed ? "" : parsed.error().text));
    }
    return 0;
}
