#include "core/driver/frame.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <gantry/driver.hpp>

#include "core/base/files.hpp"

namespace gantry::driver {
namespace {

constexpr int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

Result<UniqueFd> in_memory(std::string_view text) {
    UniqueFd fd(::memfd_create("gantry-frame", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) return fail_errno("make a memory file");
    GANTRY_CHECK(write_all(fd.get(), text));
    if (::fcntl(fd.get(), F_ADD_SEALS, seals) != 0) return fail_errno("seal a memory file");
    return fd;
}

// The sender is not trusted: without the seals it could change the text while it is read.
Result<Json> from_memory(int fd) {
    if (::fcntl(fd, F_GET_SEALS) != seals) return fail(Code::corrupt, "a frame's memory file is not sealed");
    struct stat info {};
    if (::fstat(fd, &info) != 0) return fail_errno("examine a frame's memory file");
    if (info.st_size < 0 || static_cast<std::size_t>(info.st_size) > max_frame_bytes)
        return fail(Code::corrupt, "a frame of " + std::to_string(info.st_size) + " bytes is too large");
    std::string text(static_cast<std::size_t>(info.st_size), '\0');
    for (std::size_t done = 0; done < text.size();) {
        ssize_t n = ::pread(fd, text.data() + done, text.size() - done, static_cast<off_t>(done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail(Code::corrupt, "a frame's memory file cannot be read");
        done += static_cast<std::size_t>(n);
    }
    Json body = Json::parse(text, nullptr, false);
    if (!body.is_object()) return fail(Code::corrupt, "a frame is not a JSON object");
    return body;
}

}  // namespace

Result<void> send_frame(int socket, const Json& body, const std::vector<int>& fds) {
    auto sent = send_message(socket, body, fds);
    // EMSGSIZE: the socket's own limit (net.core.wmem_default) lies below ours.
    if (sent || (sent.error().code != Code::invalid && sent.error().system_errno != EMSGSIZE) ||
        fds.size() + 1 > max_message_fds)
        return sent;
    std::string text = body.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text.size() > max_frame_bytes)
        return fail(Code::invalid, "a frame of " + std::to_string(text.size()) + " bytes is too large");
    GANTRY_TRY(UniqueFd memory, in_memory(text));
    std::vector<int> all = fds;
    all.push_back(memory.get());
    return send_message(socket, {{"memfd", true}}, all);
}

Result<Message> receive_frame(int socket, int timeout_ms) {
    GANTRY_TRY(Message message, receive_message(socket, timeout_ms));
    if (!member<bool>(message.body, "memfd")) return message;
    if (message.fds.empty()) return fail(Code::corrupt, "a frame came without its memory file");
    UniqueFd memory = std::move(message.fds.back());
    message.fds.pop_back();
    GANTRY_TRY(message.body, from_memory(memory.get()));
    return message;
}

}  // namespace gantry::driver
