#include "core/base/unix_socket.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

namespace gantry {
namespace {

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        return fail(Code::invalid, "socket path \"" + path + "\" is longer than 107 bytes");
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

}  // namespace

Result<UniqueFd> listen_unix(const std::string& path, int type, mode_t mode, int backlog) {
    GANTRY_TRY(sockaddr_un address, address_of(path));
    UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno("socket");
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0) {
        if (!S_ISSOCK(info.st_mode)) return fail(Code::conflict, "\"" + path + "\" is there and is not a socket");
        ::unlink(path.c_str());
    }
    // bind(2) makes the file with the mode of the socket's inode less the umask, so it never has another.
    if (::fchmod(fd.get(), mode) != 0) return fail_errno("fchmod socket");
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail_errno("bind \"" + path + "\"");
    if (::listen(fd.get(), backlog) != 0) return fail_errno("listen \"" + path + "\"");
    return fd;
}

Result<UniqueFd> connect_unix(const std::string& path, int type) {
    GANTRY_TRY(sockaddr_un address, address_of(path));
    UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno("socket");
    while (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        if (errno == EINTR) continue;
        int error = errno == ECONNREFUSED ? ENOENT : errno;
        return fail_errno("connect to \"" + path + "\"", error);
    }
    return fd;
}

Result<UniqueFd> accept_unix(int listener) {
    for (;;) {
        UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
        if (fd) return fd;
        if (errno != EINTR && errno != ECONNABORTED) return fail_errno("accept");
    }
}

Result<void> send_message(int socket, const Json& body, const std::vector<int>& fds) {
    std::string text = body.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text.size() > max_message_bytes || fds.size() > max_message_fds)
        return fail(Code::invalid, "a message of " + std::to_string(text.size()) + " bytes and " +
                                       std::to_string(fds.size()) + " descriptors is too large");
    iovec part{text.data(), text.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * max_message_fds)] = {};
    if (!fds.empty()) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
        std::memcpy(CMSG_DATA(rights), fds.data(), sizeof(int) * fds.size());
    }
    while (::sendmsg(socket, &header, MSG_NOSIGNAL) < 0)
        if (errno != EINTR) return fail_errno("send message");
    return {};
}

Result<Message> receive_message(int socket, int timeout_ms) {
    if (timeout_ms >= 0) {
        pollfd waiting{socket, POLLIN, 0};
        int ready = 0;
        while ((ready = ::poll(&waiting, 1, timeout_ms)) < 0 && errno == EINTR) {
        }
        if (ready == 0) return fail(Code::deadline, "no message came in " + std::to_string(timeout_ms) + " ms");
    }
    // A look at the length first: room for the largest message would cost a small one 48 fresh pages.
    ssize_t length = 0;
    while ((length = ::recv(socket, nullptr, 0, MSG_PEEK | MSG_TRUNC)) < 0 && errno == EINTR) {
    }
    if (length < 0) return fail_errno("receive message", errno == ECONNRESET ? ENOENT : errno);
    std::string text(std::min(static_cast<std::size_t>(length), max_message_bytes), '\0');
    iovec part{text.data(), text.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * max_message_fds)] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    ssize_t n = 0;
    while ((n = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
    }
    if (n < 0) return fail_errno("receive message", errno == ECONNRESET ? ENOENT : errno);
    Message message;
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            message.fds.emplace_back(fd);
        }
    }
    if (n == 0) return fail(Code::not_found, "the peer has closed the connection");
    if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) return fail(Code::corrupt, "a message was cut off");
    message.body = Json::parse(text.data(), text.data() + n, nullptr, false);
    if (!message.body.is_object()) return fail(Code::corrupt, "a message is not a JSON object");
    return message;
}

Result<unsigned> peer_uid(int socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return fail_errno("read the peer's identity");
    return peer.uid;
}

}  // namespace gantry
