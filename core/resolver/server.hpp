// The resolver itself: a socket by UDP and one by TCP on each network's address.
#pragma once
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "core/resolver/forwarder.hpp"
#include "core/resolver/loop.hpp"
#include "core/resolver/tcp_client.hpp"
#include "core/resolver/zones.hpp"

namespace gantry::resolver {

struct ServerSettings {
    std::string names;  // the directory of names files
    std::string resolv_conf = "/etc/resolv.conf";
    std::uint16_t port = 53, upstream_port = 53;
};

class Server {
public:
    // Reads the names and listens. Addresses that cannot be listened at yet are tried again.
    static Result<std::unique_ptr<Server>> create(const ServerSettings& settings);
    ~Server();
    // Until stop(), or until the directory of names is removed.
    Result<void> run() { return loop_->run(); }
    // From a handler of the loop only.
    void stop() { loop_->stop(); }
    Loop& loop() { return *loop_; }

private:
    struct Listener {
        std::string network, address;
        UniqueFd udp, tcp;
    };
    Server(const ServerSettings& settings, std::unique_ptr<Loop> loop, std::unique_ptr<Zones> zones);
    void follow();  // listeners as the names files say
    Result<void> listen(Listener& listener);
    void close(Listener& listener);
    void receive(const Listener& listener);
    void accept(const Listener& listener);
    void make_room(const std::string& peer);
    // `asker` asked at `at`. `reply` is called once ("": no answer).
    void answer(const std::string& network, const std::string& asker, const std::string& at, std::string packet,
                Transport transport, std::function<void(std::string)> reply);

    const ServerSettings settings_;
    std::unique_ptr<Loop> loop_;
    std::unique_ptr<Zones> zones_;
    std::map<std::string, std::unique_ptr<Listener>> listeners_;  // by network and address
    std::set<std::string> own_;                                   // addresses we serve at
    Forwarder forwarder_;
    std::list<TcpClient> clients_;  // oldest first
    std::uint64_t last_client_ = 0;
    Loop::Timer retry_ = 0;
};

}  // namespace gantry::resolver
