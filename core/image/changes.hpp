// The instructions that `import --change` and `commit --change` take, applied to an image's "config" object.
#pragma once
#include <string_view>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::image {

// One line in Dockerfile form: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, WORKDIR, STOPSIGNAL, ONBUILD,
// HEALTHCHECK. GANTRY_INVALID names the instruction and what is wrong with it.
Result<void> apply_change(Json& config, std::string_view line);

}  // namespace gantry::image
