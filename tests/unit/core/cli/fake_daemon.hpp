// A small HTTP server on a unix socket that stands in for gantryd, and the real program run against it.
#pragma once
#include <sys/types.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::cli::test {

struct FakeRequest {
    std::string method, target, head, body;
    Json json() const { return Json::parse(body, nullptr, false); }
};

class FakeDaemon {
public:
    // Answers on the descriptor; runs on the connection's own thread.
    using Answer = std::function<void(const FakeRequest&, int fd)>;

    FakeDaemon();
    virtual ~FakeDaemon();
    // Ends every connection and its thread. A class derived from this one calls it before its members go.
    void stop();
    FakeDaemon(const FakeDaemon&) = delete;
    FakeDaemon& operator=(const FakeDaemon&) = delete;

    // For requests that begin so: "POST /containers/create". The last added that fits answers; none: 404.
    void on(std::string begins, Answer answer);
    void on_json(std::string begins, int status, std::string body);
    const std::string& socket() const { return socket_; }
    const std::string& directory() const { return directory_; }
    // "METHOD target" of all requests so far, in the order they came.
    std::vector<std::string> seen() const;
    // The first request that begins so, without one: an empty one.
    FakeRequest request(const std::string& begins) const;

private:
    void serve(int fd);

    std::string directory_, socket_;
    UniqueFd listener_;
    mutable std::mutex mutex_;
    std::vector<std::pair<std::string, Answer>> answers_;
    std::vector<FakeRequest> requests_;
    std::vector<std::thread> threads_;
    std::vector<int> open_;
    std::thread acceptor_;
};

void send_text(int fd, std::string_view text);
void send_json(int fd, int status, std::string_view body);
// 101 with the raw connection behind it.
void send_upgrade(int fd);
// Head of a chunked answer, and its pieces ("" ends it).
void send_chunked_head(int fd, std::string_view content_type = "application/json");
void send_chunk(int fd, std::string_view data);
// One frame of a multiplexed stream.
std::string frame(int stream, std::string_view text);

struct Ended {
    int code = -1;
    std::string out, err;
};

// The built program with its output in files of the daemon's directory.
class Program {
public:
    Program(const FakeDaemon& daemon, std::vector<std::string> arguments, std::string_view input = {});
    pid_t pid() const { return pid_; }
    Ended wait();

private:
    std::string base_;
    pid_t pid_ = 0;
};

inline Ended run_program(const FakeDaemon& daemon, std::vector<std::string> arguments, std::string_view input = {}) {
    return Program(daemon, std::move(arguments), input).wait();
}

}  // namespace gantry::cli::test
