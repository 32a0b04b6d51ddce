// A minimal first process for containers whose program is no init (annotation "gantry.init").
#pragma once
#include <sys/types.h>

namespace gantry::native {

// Forwards signals to `child` and reaps whatever becomes an orphan; ends as `child` ends (128 + signal when killed).
// Never dumpable, so that the program it runs from stays out of the container's reach. All signals must be blocked.
[[noreturn]] void run_init(pid_t child);
// Makes the process look like what it is in ps: "gantry-init".
void name_init();

}  // namespace gantry::native
