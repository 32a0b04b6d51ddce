#include "core/buildkit/source_detail.hpp"

#include <gantry/json.hpp>

#include "core/base/base64.hpp"

namespace gantry::buildkit {

std::string source_detail(const std::string& file_name, const std::string& text, int first, int last) {
    const Json range{{"start", {{"line", first}}}, {"end", {{"line", last}}}};
    const Json detail{{"info", {{"filename", file_name}, {"data", to_base64(text)}}}, {"ranges", Json::array({range})}};
    return detail.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace gantry::buildkit
