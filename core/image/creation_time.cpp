#include "core/image/creation_time.hpp"

#include <stdlib.h>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"

namespace gantry::image {

std::int64_t creation_time() {
    if (const char* epoch = ::getenv("SOURCE_DATE_EPOCH"))
        if (auto seconds = parse_int(epoch); seconds && *seconds > 0 && *seconds < 253'402'300'800)
            return *seconds * 1'000'000'000;
    return wall_clock_ns();
}

}  // namespace gantry::image
