// Configs of images: what is accepted has one meaning, and everything that the API says of such an image can be said.
#include "core/image/api.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/strict_json.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gantry;
    const std::string_view text = fuzz::text_of(data, size);
    auto document = image::parse_document(text, "document");
    auto config = image::parse_config(text);
    if (!document) {
        fuzz::require_told(document.error().text);
        fuzz::require(!config, "a config that is no document");
        return 0;
    }
    auto again = image::parse_document(document->dump(-1, ' ', false, Json::error_handler_t::replace), "again");
    fuzz::require(again && *again == *document, "a document that reads differently when written out");
    if (!config) return 0;
    image::Image image;
    image.config = *config;
    for (const std::string& diff_id : image::diff_ids_of(*config)) {
        image.layers.push_back(diff_id);
        image.layer_sizes.push_back(1);
    }
    auto shown = [](const Json& json) { (void)json.dump(-1, ' ', false, Json::error_handler_t::replace); };
    shown(image::to_summary(image, 0));
    shown(image::to_inspect(image));
    shown(image::history(image));
    return 0;
}
