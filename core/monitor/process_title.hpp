// What ps shows for this process.
#pragma once
#include <string>

namespace gantry::monitor {

// Call first in main: remembers where the arguments and the environment are, and moves the environment away.
void remember_title_space(int argc, char** argv);
// Sets the kernel's name for the process (15 bytes) and the command line, cut to the space there is.
void set_process_title(const char* name, const std::string& title);

}  // namespace gantry::monitor
