// When an image that is made now was made.
#pragma once
#include <cstdint>

namespace gantry::image {

// Now, or what SOURCE_DATE_EPOCH says where builds are to be reproducible. Nanoseconds since 1970.
std::int64_t creation_time();

}  // namespace gantry::image
