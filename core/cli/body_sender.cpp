#include "core/cli/body_sender.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <gantry/driver.hpp>

namespace gantry::cli {
namespace {

constexpr std::size_t block_bytes = 1u << 20;

}  // namespace

Result<bool> BodySender::ready() {
    for (;;) {
        pollfd waited{fd_, POLLIN | POLLOUT, 0};
        if (::poll(&waited, 1, -1) < 0) {
            if (errno == EINTR) continue;
            return fail_errno("poll");
        }
        if (waited.revents & POLLIN) {
            GANTRY_TRY(bool wanted, take_answer_());
            if (!wanted) return false;
        }
        if (waited.revents & (POLLOUT | POLLERR | POLLHUP)) return true;
    }
}

Result<bool> BodySender::send(std::string_view bytes) {
    while (!bytes.empty()) {
        GANTRY_TRY(bool going, ready());
        if (!going) return false;
        const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (n < 0 && errno == EPIPE) return false;  // the answer, if any, is read next
        if (n < 0) return fail_errno("send to the daemon");
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

// The pages of the file go to the daemon without being copied, where the file system can do that.
Result<void> BodySender::send_file(int source, std::int64_t size) {
    const int flags = ::fcntl(fd_, F_GETFL);
    if (flags < 0 || ::fcntl(fd_, F_SETFL, flags | O_NONBLOCK) != 0) return fail_errno("prepare to send");
    ScopeGuard blocking([&] { ::fcntl(fd_, F_SETFL, flags); });
    std::string block;
    bool copies = false;
    for (std::int64_t sent = 0; sent < size;) {
        const auto wanted = static_cast<std::size_t>(std::min<std::int64_t>(block_bytes, size - sent));
        ssize_t n = 0;
        if (copies) {
            block.resize(wanted);
            n = ::read(source, block.data(), wanted);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return fail_errno("read the file to send");
            GANTRY_TRY(bool going, send({block.data(), static_cast<std::size_t>(n)}));
            if (!going) return {};
        } else {
            GANTRY_TRY(bool going, ready());
            if (!going) return {};
            n = ::sendfile(fd_, source, nullptr, wanted);
            if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (n < 0 && errno == EPIPE) return {};  // the answer, if any, is read next
            if (n < 0 && (errno == EINVAL || errno == ENOSYS)) {
                copies = true;
                continue;
            }
            if (n < 0) return fail_errno("send the file to the daemon");
        }
        if (n == 0) return fail(Code::corrupt, "the file to send became shorter while it was read");
        sent += n;
        if (progress_) progress_(sent);
    }
    return {};
}

Result<void> BodySender::send_chunks(int source) {
    std::string block(block_bytes, '\0');
    for (std::int64_t sent = 0;;) {
        const ssize_t n = ::read(source, block.data(), block.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("read the file to send");
        char size[32];
        std::snprintf(size, sizeof size, "%zx\r\n", static_cast<std::size_t>(n));
        for (std::string_view piece :
             {std::string_view(size), std::string_view(block.data(), static_cast<std::size_t>(n)),
              std::string_view("\r\n")}) {
            GANTRY_TRY(bool going, send(piece));
            if (!going) return {};
        }
        sent += n;
        if (progress_) progress_(sent);
        if (n == 0) return {};
    }
}

}  // namespace gantry::cli
