#include "core/container/monitor_link.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/log.hpp"

namespace gantry::container {

Result<std::shared_ptr<MonitorLinks>> MonitorLinks::create(OnEvent on_event) {
    std::shared_ptr<MonitorLinks> links(new MonitorLinks(std::move(on_event)));
    links->epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    links->wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!links->epoll_ || !links->wake_) return fail_errno("make the loop for monitors");
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = 0;
    if (::epoll_ctl(links->epoll_.get(), EPOLL_CTL_ADD, links->wake_.get(), &event) != 0)
        return fail_errno("epoll_ctl");
    links->reader_ = std::thread([raw = links.get()] { raw->read_loop(); });
    links->teller_ = std::thread([raw = links.get()] { raw->tell_loop(); });
    return links;
}

MonitorLinks::~MonitorLinks() { stop(); }

void MonitorLinks::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
    // The last user may be one of these threads, when a callback drops the last monitor.
    for (std::thread* thread : {&reader_, &teller_}) {
        if (!thread->joinable()) continue;
        if (thread->get_id() == std::this_thread::get_id()) {
            thread->detach();
        } else {
            thread->join();
        }
    }
}

Result<void> MonitorLinks::add(const std::shared_ptr<MonitorLink>& link) {
    std::lock_guard lock(mutex_);
    link->key_ = next_key_++;
    links_.emplace(link->key_, link);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = link->key_;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, link->socket(), &event) != 0) {
        links_.erase(link->key_);
        return fail_errno("watch the monitor of \"" + link->id() + "\"");
    }
    return {};
}

void MonitorLinks::remove(MonitorLink& link) {
    std::lock_guard lock(mutex_);
    if (links_.erase(link.key_)) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, link.socket(), nullptr);
}

void MonitorLinks::read_loop() {
    epoll_event batch[32];
    for (;;) {
        int count = ::epoll_wait(epoll_.get(), batch, 32, -1);
        if (count < 0 && errno != EINTR)
            return log::error("the loop for monitors ends", {{"error", std::strerror(errno)}});
        {
            std::lock_guard lock(mutex_);
            if (stopping_) return;
        }
        for (int i = 0; i < count; ++i)
            if (batch[i].data.u64 != 0) read_one(batch[i].data.u64);
    }
}

void MonitorLinks::read_one(std::uint64_t key) {
    std::shared_ptr<MonitorLink> link;
    {
        std::lock_guard lock(mutex_);
        auto found = links_.find(key);
        if (found != links_.end()) link = found->second.lock();
    }
    if (!link) return;
    auto message = receive_message(link->socket(), 0);
    if (message) {
        if (auto event = link->received(std::move(*message))) tell(link, std::move(*event));
        return;
    }
    if (message.error().code == Code::deadline || message.error().system_errno == EAGAIN) return;
    remove(*link);
    if (auto event = link->closed()) tell(link, {std::move(*event), 0});
}

void MonitorLinks::tell(const std::shared_ptr<MonitorLink>& link, MonitorLink::Told told) {
    {
        std::lock_guard lock(mutex_);
        events_.push_back({link->id(), link, std::move(told)});
    }
    changed_.notify_all();
}

void MonitorLinks::tell_loop() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return stopping_ || !events_.empty(); });
        if (events_.empty()) return;
        Waiting next = std::move(events_.front());
        events_.pop_front();
        lock.unlock();
        try {
            if (on_event_) on_event_(next.id, next.told.event);
        } catch (const std::exception& e) {
            log::error("an event of a container was not handled", {{"container", next.id}, {"error", e.what()}});
        }
        if (next.told.number != 0)
            if (auto link = next.link.lock()) link->acknowledge(next.told.number);
        lock.lock();
    }
}

}  // namespace gantry::container
