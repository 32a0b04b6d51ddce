#include "stdio.hpp"

#include <fcntl.h>

#include "kernel.hpp"

namespace gantry::native {

Result<Stdio> Stdio::open(const Fds& fds) {
    Stdio stdio;
    stdio.numbers_ = {fds.get("stdin"), fds.get("stdout"), fds.get("stderr")};
    for (int& number : stdio.numbers_) {
        if (number >= 0) continue;
        if (!stdio.null_) {
            GANTRY_TRY(stdio.null_, open_null(O_RDWR));
        }
        number = stdio.null_.get();
    }
    return stdio;
}

}  // namespace gantry::native
