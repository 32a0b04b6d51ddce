#include "terminal.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "kernel.hpp"
#include "mount_api.hpp"

namespace gantry::native {

Result<Pty> open_pty(int root, int rows, int columns) {
    Pty pty;
    auto master = open_in_root(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0, Links::refuse);
    if (!master) return std::move(master).error().context("make a terminal");
    struct stat about {};
    if (::fstat(master->get(), &about) != 0) return fail_errno("stat \"/dev/pts/ptmx\"");
    if (!is_filesystem(master->get(), DEVPTS_SUPER_MAGIC) || !S_ISCHR(about.st_mode) || about.st_rdev != makedev(5, 2))
        return fail(Code::denied, "the container's \"/dev/pts/ptmx\" is not that of a devpts");
    pty.master = std::move(master).value();
    int locked = 0;
    if (::ioctl(pty.master.get(), TIOCSPTLCK, &locked) != 0) return fail_errno("unlock a terminal");
    pty.peer.reset(::ioctl(pty.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!pty.peer) return fail_errno("open the peer of a terminal");
    if (rows > 0 || columns > 0) {
        winsize size{static_cast<unsigned short>(rows), static_cast<unsigned short>(columns), 0, 0};
        if (::ioctl(pty.master.get(), TIOCSWINSZ, &size) != 0) return fail_errno("set the size of a terminal");
    }
    return pty;
}

Result<void> place_console(int root, int peer) {
    auto place = make_file_in_root(root, "/dev/console", Links::refuse);
    if (!place) return std::move(place).error().context("place \"/dev/console\"");
    GANTRY_TRY(const UniqueFd tree, copy_tree(peer, Depth::one));
    return attach_tree(tree.get(), place->get(), "/dev/console");
}

}  // namespace gantry::native
