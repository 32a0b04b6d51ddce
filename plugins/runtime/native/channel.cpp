#include "channel.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>

namespace gantry::native {
namespace {

constexpr std::size_t most_text = 32u << 10, most_fds = 32;

struct ErrorHead {
    std::int32_t code, system_errno;
};

}  // namespace

Result<Channel::Pair> Channel::make() {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) return fail_errno("make a socket pair");
    Pair pair{Channel(UniqueFd(fds[0])), Channel(UniqueFd(fds[1]))};
    // Above the standard streams, which the child will replace.
    if (fds[1] < 3) {
        UniqueFd high(::fcntl(fds[1], F_DUPFD_CLOEXEC, 3));
        if (!high) return fail_errno("duplicate a socket");
        pair.child = Channel(std::move(high));
    }
    return pair;
}

Result<void> Channel::send(Kind kind, std::string_view text, const std::vector<int>& fds) const {
    char letter = static_cast<char>(kind);
    text = text.substr(0, most_text);
    iovec parts[2] = {{&letter, 1}, {const_cast<char*>(text.data()), text.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * most_fds)] = {};
    if (!fds.empty()) {
        if (fds.size() > most_fds) return fail(Code::internal, "more than 32 descriptors in one message");
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
        cmsghdr* head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
        std::memcpy(CMSG_DATA(head), fds.data(), sizeof(int) * fds.size());
    }
    while (::sendmsg(fd_.get(), &message, MSG_NOSIGNAL) < 0)
        if (errno != EINTR) return fail_errno("send to the other side of a container's start");
    return {};
}

void Channel::send_error(const Error& error) const {
    const ErrorHead head{static_cast<std::int32_t>(error.code), error.system_errno};
    std::string body(reinterpret_cast<const char*>(&head), sizeof head);
    body += error.text;
    (void)send(Kind::error, body);
}

Result<Channel::Message> Channel::receive(int timeout_ms) const {
    if (timeout_ms >= 0) {
        pollfd wait{fd_.get(), POLLIN, 0};
        int ready = 0;
        while ((ready = ::poll(&wait, 1, timeout_ms)) < 0 && errno == EINTR) continue;
        if (ready < 0) return fail_errno("wait for a container's process");
        if (ready == 0) return fail(Code::deadline, "the container's process did not answer in time");
    }
    std::string buffer(most_text + 64, '\0');
    iovec part{buffer.data(), buffer.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * most_fds)];
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    ssize_t n = 0;
    // A peer that ended without reading all that was sent to it leaves a reset, told once and ahead of its last words.
    bool reset = false;
    while ((n = ::recvmsg(fd_.get(), &header, MSG_CMSG_CLOEXEC)) < 0 &&
           (errno == EINTR || (errno == ECONNRESET && !reset)))
        reset = reset || errno == ECONNRESET;
    Message message;
    if (n < 0 && errno != ECONNRESET) return fail_errno("hear from a container's process");
    if (n <= 0) return message;
    for (cmsghdr* head = CMSG_FIRSTHDR(&header); head; head = CMSG_NXTHDR(&header, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof fd);
            message.fds.emplace_back(fd);
        }
    }
    message.kind = static_cast<Kind>(buffer[0]);
    message.text = buffer.substr(1, static_cast<std::size_t>(n) - 1);
    if (message.kind == Kind::error && message.text.size() >= sizeof(ErrorHead)) {
        ErrorHead head{};
        std::memcpy(&head, message.text.data(), sizeof head);
        const bool known = head.code >= static_cast<std::int32_t>(Code::invalid) &&
                           head.code <= static_cast<std::int32_t>(Code::internal);
        message.error = Error{known ? static_cast<Code>(head.code) : Code::internal, message.text.substr(sizeof head),
                              head.system_errno};
    }
    return message;
}

Result<Channel::Message> Channel::expect(Kind kind) const {
    GANTRY_TRY(Message message, receive());
    if (message.kind == Kind::end) return fail(Code::cancelled, "the monitor is gone");
    if (message.kind != kind) return fail(Code::internal, "an unexpected message during a container's start");
    return message;
}

}  // namespace gantry::native
