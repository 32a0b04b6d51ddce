// One client that asks by TCP: queries one after the other, each within ten seconds.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "core/resolver/loop.hpp"

namespace gantry::resolver {

class TcpClient {
public:
    // Answers a query by calling the function once, now or later ("": close the connection instead).
    using Reply = std::function<void(std::string answer)>;
    using Ask = std::function<void(std::string query, Reply reply)>;

    // `gone` is called once, when the connection is over; the owner may destroy the client in it.
    TcpClient(Loop& loop, UniqueFd socket, std::string peer, Ask ask, std::function<void()> gone, std::uint64_t number);
    ~TcpClient();
    TcpClient(const TcpClient&) = delete;
    TcpClient& operator=(const TcpClient&) = delete;

    Result<void> start();
    std::uint64_t number() const { return number_; }
    const std::string& peer() const { return peer_; }
    bool idle() const { return !asked_; }

private:
    void ready(std::uint32_t events);
    void receive();
    void next();
    void answer(const std::string& message);
    void flush();
    void end();
    void rest();

    Loop& loop_;
    UniqueFd socket_;
    const std::string peer_;
    Ask ask_;
    std::function<void()> gone_;
    const std::uint64_t number_;
    std::string in_, out_;
    bool asked_ = false;  // a query is being answered
    Loop::Timer timer_ = 0;
    std::shared_ptr<TcpClient*> self_;  // for replies that come when the client is gone
};

}  // namespace gantry::resolver
