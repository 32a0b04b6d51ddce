// Pseudo-terminals of a container, made in its own devpts.
#pragma once
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::native {

struct Pty {
    UniqueFd master, peer;
};

// A new pair from /dev/pts/ptmx below `root`, which is verified to be what it is called; the peer is got by
// TIOCGPTPEER and never by a name.
Result<Pty> open_pty(int root, int rows, int columns);
// Shows the peer as /dev/console below `root`.
Result<void> place_console(int root, int peer);

}  // namespace gantry::native
