#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/base/unix_socket.hpp"
#include "core/daemon/http/connection.hpp"
#include "core/daemon/http/core.hpp"

namespace gantry::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

Result<gid_t> group_id(const std::string& name) {
    if (auto number = parse_int(name); number && *number >= 0) return static_cast<gid_t>(*number);
    group entry{};
    group* found = nullptr;
    char buffer[16384];
    ::getgrnam_r(name.c_str(), &entry, buffer, sizeof buffer, &found);
    if (!found) return fail(Code::not_found, "socket group \"" + name + "\" does not exist");
    return entry.gr_gid;
}

Result<UniqueFd> listen_at(const ServerSettings& settings) {
    const std::string& path = settings.socket_path;
    gid_t group = 0;
    if (!settings.socket_group.empty()) {
        GANTRY_TRY(group, group_id(settings.socket_group));
    }
    if (auto answered = connect_unix(path, SOCK_STREAM))
        return fail(Code::busy, "another engine answers at \"" + path + "\"");
    GANTRY_TRY(UniqueFd listener, listen_unix(path, SOCK_STREAM, 0660, 1024));
    // The umask may have taken bits away; nobody has had more than 0660 meanwhile.
    if (group != 0 && ::lchown(path.c_str(), static_cast<uid_t>(-1), group) != 0)
        return fail_errno("give \"" + path + "\" to group \"" + settings.socket_group + "\"");
    if (::chmod(path.c_str(), 0660) != 0) return fail_errno("set the mode of \"" + path + "\"");
    return listener;
}

class UnixServer final : public Server {
public:
    UnixServer(const ServerSettings& settings, const Router& router, UniqueFd listener)
        : core_(std::make_shared<Core>(router, settings)),
          path_(settings.socket_path),
          acceptor_(core_->io()),
          pause_(core_->io()) {
        struct stat info {};
        if (::stat(path_.c_str(), &info) == 0) inode_ = info.st_ino;
        acceptor_.assign(asio::local::stream_protocol(), listener.release());
        acceptor_.non_blocking(true);
    }
    ~UnixServer() override { remove_socket(); }

    void run() override {
        core_->enter_reactor();
        accept_next();
        auto keep = asio::make_work_guard(core_->io());
        for (;;) {
            try {
                core_->io().run();
                break;
            } catch (const std::exception& e) {
                log::error("an exception reached the reactor", {{"what", e.what()}});
            }
        }
        remove_socket();
        core_->workers().stop();
        core_->drain();
    }

    void stop() override {
        asio::post(core_->io(), [this] {
            error_code ignored;
            acceptor_.close(ignored);
            pause_.cancel();
            core_->begin_stop();
        });
    }

    void post(std::function<void()> work) override { core_->post(std::move(work)); }

    void adopt(UniqueFd socket, Peer peer) override {
        asio::post(core_->io(), [this, peer, socket = std::move(socket)]() mutable {
            if (!core_->stopping()) take(std::move(socket), peer);
        });
    }

private:
    void accept_next() {
        acceptor_.async_wait(asio::local::stream_protocol::acceptor::wait_read, [this](const error_code& ec) {
            if (ec) return;
            accept_all();
        });
    }

    // All that wait, a batch at a time.
    void accept_all() {
        for (int i = 0; i < 64; ++i) {
            UniqueFd fd(::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
            if (!fd) {
                if (errno == EINTR || errno == ECONNABORTED) continue;
                if (errno == EAGAIN) break;
                log::warn("a connection could not be accepted", {{"error", std::strerror(errno)}});
                return rest();
            }
            take(std::move(fd), Peer::local);
        }
        accept_next();
    }

    void take(UniqueFd fd, Peer peer) {
        if (core_->connections() >= core_->limits().connections) {
            static constexpr std::string_view full =
                "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            (void)::send(fd.get(), full.data(), full.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            return;
        }
        auto uid = peer_uid(fd.get());
        if (!uid) return;
        Connection::Socket socket(core_->io());
        error_code ec;
        socket.assign(asio::local::stream_protocol(), fd.get(), ec);
        if (ec) return;
        fd.release();
        std::make_shared<Connection>(core_, std::move(socket), *uid, peer)->start();
    }

    // Out of descriptors: what is open must end first.
    void rest() {
        pause_.expires_after(std::chrono::milliseconds(100));
        pause_.async_wait([this](const error_code& ec) {
            if (!ec) accept_all();
        });
    }

    void remove_socket() {
        struct stat info {};
        if (inode_ != 0 && ::stat(path_.c_str(), &info) == 0 && info.st_ino == inode_) ::unlink(path_.c_str());
        inode_ = 0;
    }

    std::shared_ptr<Core> core_;
    const std::string path_;
    ino_t inode_ = 0;
    asio::local::stream_protocol::acceptor acceptor_;
    asio::steady_timer pause_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::create(ServerSettings settings, const Router& router) {
    try {
        GANTRY_TRY(UniqueFd listener, listen_at(settings));
        return std::unique_ptr<Server>(new UnixServer(settings, router, std::move(listener)));
    } catch (const std::exception& e) {
        return fail(Code::internal, std::string("make the server: ") + e.what());
    }
}

}  // namespace gantry::http
