// One descriptor of an attached client: a socket (both directions) or the end of a pipe (one).
#pragma once
#include <sys/uio.h>

#include <functional>
#include <string>
#include <string_view>

#include <gantry/unique_fd.hpp>

#include "core/monitor/loop.hpp"

namespace gantry::monitor {

class Port {
public:
    struct Events {
        std::function<void()> readable, drained, gone;
    };
    enum class Use { input, output, both };
    Port(Loop& loop, UniqueFd fd, Use use, Events events);

    // Sends header and data, or keeps what the peer does not take now. Nothing once the peer is gone.
    void send(std::string_view header, std::string_view data);
    // Bytes kept.
    std::size_t pending() const { return pending_.size() - sent_; }
    bool gone() const { return gone_; }
    // Whether `readable` is called.
    void want_input(bool on);
    // Reads without waiting: bytes; 0 at the end; -1 when there is nothing now.
    ssize_t read(char* buffer, std::size_t size);
    // Ends the connection in order: the peer reads all that was sent and then the end.
    void close();
    // Gives the descriptor away together with the bytes not sent yet.
    std::pair<UniqueFd, std::string> release();

private:
    void ready(std::uint32_t events);
    void update();
    void flush();
    ssize_t write(const iovec* parts, int count);

    UniqueFd fd_;
    Use use_;
    Events events_;
    Watch watch_;
    std::string pending_;
    std::size_t sent_ = 0;
    bool socket_ = false, want_input_ = false, half_closed_ = false, gone_ = false;
};

}  // namespace gantry::monitor
