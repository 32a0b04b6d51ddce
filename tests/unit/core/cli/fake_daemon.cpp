#include "fake_daemon.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/files.hpp"
#include "core/base/unix_socket.hpp"

namespace gantry::cli::test {
namespace {

std::string read_more(int fd) {
    char block[16384];
    ssize_t n = ::recv(fd, block, sizeof block, 0);
    return n > 0 ? std::string(block, static_cast<std::size_t>(n)) : std::string();
}

std::string header(const std::string& head, const std::string& name) {
    std::size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    at += name.size() + 4;
    return head.substr(at, head.find("\r\n", at) - at);
}

}  // namespace

FakeDaemon::FakeDaemon() {
    char name[] = "/tmp/gantry-cli-fake-XXXXXX";
    directory_ = ::mkdtemp(name);
    socket_ = directory_ + "/s";
    auto listener = listen_unix(socket_, SOCK_STREAM);
    EXPECT_TRUE(listener);
    listener_ = std::move(*listener);
    acceptor_ = std::thread([this] {
        for (;;) {
            int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) return;
            std::lock_guard lock(mutex_);
            open_.push_back(fd);
            threads_.emplace_back([this, fd] { serve(fd); });
        }
    });
}

FakeDaemon::~FakeDaemon() {
    stop();
    EXPECT_TRUE(remove_tree(directory_));
}

void FakeDaemon::stop() {
    if (!acceptor_.joinable()) return;
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    {
        std::lock_guard lock(mutex_);
        for (int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    for (int fd : open_) ::close(fd);
}

void FakeDaemon::on(std::string begins, Answer answer) {
    std::lock_guard lock(mutex_);
    answers_.emplace_back(std::move(begins), std::move(answer));
}

void FakeDaemon::on_json(std::string begins, int status, std::string body) {
    on(std::move(begins),
       [status, body = std::move(body)](const FakeRequest&, int fd) { send_json(fd, status, body); });
}

std::vector<std::string> FakeDaemon::seen() const {
    std::lock_guard lock(mutex_);
    std::vector<std::string> lines;
    for (const FakeRequest& request : requests_) lines.push_back(request.method + " " + request.target);
    return lines;
}

FakeRequest FakeDaemon::request(const std::string& begins) const {
    std::lock_guard lock(mutex_);
    for (const FakeRequest& request : requests_)
        if ((request.method + " " + request.target).starts_with(begins)) return request;
    return {};
}

void FakeDaemon::serve(int fd) {
    std::string data;
    for (;;) {
        std::size_t end = 0;
        while ((end = data.find("\r\n\r\n")) == std::string::npos) {
            std::string more = read_more(fd);
            if (more.empty()) return;
            data += more;
        }
        FakeRequest request;
        request.head = data.substr(0, end + 2);
        data.erase(0, end + 4);
        request.method = request.head.substr(0, request.head.find(' '));
        request.target =
            request.head.substr(request.method.size() + 1, request.head.find(" HTTP/") - request.method.size() - 1);
        if (std::string length = header(request.head, "Content-Length"); !length.empty()) {
            std::size_t size = std::stoul(length);
            while (data.size() < size) {
                std::string more = read_more(fd);
                if (more.empty()) return;
                data += more;
            }
            request.body = data.substr(0, size);
            data.erase(0, size);
        } else if (header(request.head, "Transfer-Encoding") == "chunked") {
            for (std::size_t size = 1; size != 0;) {
                while (data.find("\r\n") == std::string::npos) data += read_more(fd);
                size = std::stoul(data, nullptr, 16);
                data.erase(0, data.find("\r\n") + 2);
                while (data.size() < size + 2) data += read_more(fd);
                request.body += data.substr(0, size);
                data.erase(0, size + 2);
            }
        }
        Answer answer;
        {
            std::lock_guard lock(mutex_);
            requests_.push_back(request);
            std::string line = request.method + " " + request.target;
            for (auto it = answers_.rbegin(); it != answers_.rend() && !answer; ++it)
                if (line.starts_with(it->first)) answer = it->second;
        }
        if (answer)
            answer(request, fd);
        else
            send_json(fd, 404, R"({"message":"no such thing"})");
    }
}

void send_text(int fd, std::string_view text) {
    while (!text.empty()) {
        ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (n <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

void send_json(int fd, int status, std::string_view body) {
    std::string head = "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\n";
    if (status != 204 && status != 304) head += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    send_text(fd, head + "\r\n" + std::string(body));
}

void send_upgrade(int fd) {
    send_text(fd,
              "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: "
              "Upgrade\r\nUpgrade: tcp\r\n\r\n");
}

void send_chunked_head(int fd, std::string_view content_type) {
    send_text(
        fd, "HTTP/1.1 200 OK\r\nContent-Type: " + std::string(content_type) + "\r\nTransfer-Encoding: chunked\r\n\r\n");
}

void send_chunk(int fd, std::string_view data) {
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    send_text(fd, size + std::string(data) + "\r\n");
}

std::string frame(int stream, std::string_view text) {
    std::string head(8, '\0');
    head[0] = static_cast<char>(stream);
    for (int i = 0; i < 4; ++i)
        head[static_cast<std::size_t>(7 - i)] = static_cast<char>((text.size() >> (8 * i)) & 0xff);
    return head + std::string(text);
}

Program::Program(const FakeDaemon& daemon, std::vector<std::string> arguments, std::string_view input) {
    static std::atomic<int> count{0};
    base_ = daemon.directory() + "/p" + std::to_string(++count);
    EXPECT_TRUE(write_file(base_ + ".in", input));
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, (base_ + ".in").c_str(), O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, 1, (base_ + ".out").c_str(), O_WRONLY | O_CREAT, 0600);
    ::posix_spawn_file_actions_addopen(&actions, 2, (base_ + ".err").c_str(), O_WRONLY | O_CREAT, 0600);
    std::string program = GANTRY_PROGRAM, host = "GANTRY_HOST=unix://" + daemon.socket(), path = "PATH=/usr/bin:/bin",
                zone = "TZ=UTC";
    std::vector<char*> argv{program.data()};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    char* environment[] = {host.data(), path.data(), zone.data(), nullptr};
    EXPECT_EQ(::posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environment), 0);
    ::posix_spawn_file_actions_destroy(&actions);
}

Ended Program::wait() {
    Ended ended;
    int status = 0;
    // A program that hangs fails its test and not the whole run.
    for (int i = 0; i < 2000 && ::waitpid(pid_, &status, WNOHANG) == 0; ++i) {
        ::usleep(10000);
        if (i == 1999) {
            ADD_FAILURE() << "the program hangs";
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, &status, 0);
        }
    }
    ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    if (auto out = read_file(base_ + ".out")) ended.out = *out;
    if (auto err = read_file(base_ + ".err")) ended.err = *err;
    return ended;
}

}  // namespace gantry::cli::test
