// What a layer changed against the one below, as a plain tar stream from its driver.
#pragma once
#include <memory>
#include <string>

#include <gantry/result.hpp>

#include "core/driver/driver.hpp"
#include "core/image/byte_source.hpp"

namespace gantry::image {

// The driver writes on a thread of its own, which ends with the source. That it failed is told at the end of the
// stream, and instead of it: one cut off between two members would pass for a whole one.
Result<std::unique_ptr<ByteSource>> layer_diff(std::shared_ptr<driver::Driver> layers, const std::string& key);

}  // namespace gantry::image
