// An engine's side of the border for tests of a driver, without an engine: loads a driver's file, opens it, and calls its
// operations, each with a time limit. Link with dl and pthread. One driver per object; calls may come from several threads.
#pragma once
#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include <gantry/abi/layer.h>
#include <gantry/abi/network.h>
#include <gantry/abi/runtime.h>
#include <gantry/abi/volume.h>
#include <gantry/result.hpp>

#include "subject.hpp"

// The engine's half of a call; drivers see the name alone.
struct gantry_call {
    std::mutex mutex;
    std::condition_variable done;
    bool answered = false;
    int replies = 0;
    std::chrono::steady_clock::time_point deadline;
    gantry::testing::Outcome outcome;
};

namespace gantry::testing {

class FakeHost final : public Subject {
public:
    // `options` go to the driver as they are: the fake host does not validate them.
    static Result<std::unique_ptr<FakeHost>> open(const std::string& file, const std::string& root,
                                                  const Json& options = Json::object()) {
        void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (!library) return fail(Code::invalid, std::string("load \"") + file + "\": " + ::dlerror());
        gantry_driver_entry_fn entry = nullptr;
        void* symbol = ::dlsym(library, GANTRY_DRIVER_ENTRY);
        std::memcpy(&entry, &symbol, sizeof entry);
        const gantry_driver_plugin* plugin = entry ? entry(GANTRY_ABI_MAJOR, GANTRY_ABI_MINOR) : nullptr;
        if (!plugin) return fail(Code::invalid, "\"" + file + "\" gives no driver for this version of the border");
        std::unique_ptr<FakeHost> host(new FakeHost);
        const std::string config = Json{{"engine", "test"}, {"root", root}, {"run", root}, {"options", options}}.dump();
        std::string reason = "no reason was given";
        auto take = [](void* into, gantry_str why) { static_cast<std::string*>(into)->assign(why.ptr, why.len); };
        gantry_status status =
            plugin->open(&host->table_, {config.data(), config.size()}, &host->driver_, take, &reason);
        if (status != GANTRY_OK) return fail(static_cast<Code>(status), reason);
        host->opened_ = true;
        return host;
    }
    ~FakeHost() override {
        if (opened_ && driver_.close) driver_.close(driver_.self);
    }

    Outcome call(std::string_view table, std::string_view operation, Json request,
                 std::vector<std::pair<std::string, int>> fds = {}) override {
        gantry_op op = nullptr;
        if (table == "driver/1")
            op = operation == "reconcile" ? driver_.reconcile : operation == "health" ? driver_.health : nullptr;
        else if (const void* functions = driver_.table(driver_.self, std::string(table).c_str()))
            op = find(functions, table, operation);
        if (!op) return {GANTRY_UNSUPPORTED, "not offered", Json::object(), {}};
        return send(op, std::move(request), fds);
    }

    // gantry_driver.reconcile: {"boot_id", "objects"}.
    Outcome reconcile(Json request) {
        if (!driver_.reconcile) return {GANTRY_UNSUPPORTED, "not offered", Json::object(), {}};
        return send(driver_.reconcile, std::move(request), {});
    }

private:
    Outcome send(gantry_op op, Json request, const std::vector<std::pair<std::string, int>>& fds) {
        std::vector<int> numbers;
        for (auto& [name, fd] : fds) {
            request["fds"].push_back(name);
            numbers.push_back(fd);
        }
        const std::string text = request.dump();
        // Kept for the life of the host: a driver that replies late or twice must not write into freed memory.
        auto call = std::make_shared<gantry_call>();
        call->deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        {
            std::lock_guard lock(mutex_);
            calls_.push_back(call);
        }
        op(driver_.self, call.get(), {text.data(), text.size()}, numbers.data(), static_cast<uint32_t>(numbers.size()));
        std::unique_lock lock(call->mutex);
        if (!call->done.wait_until(lock, call->deadline, [&] { return call->answered; }))
            return {GANTRY_DEADLINE, "no answer in 30 s", Json::object(), {}};
        return std::move(call->outcome);
    }

    FakeHost() {
        table_.size = sizeof table_;
        table_.abi_minor = GANTRY_ABI_MINOR;
        table_.ctx = this;
        table_.log = [](void*, gantry_call*, int32_t, gantry_str) {};
        table_.reply = reply;
        table_.cancelled = [](const gantry_call* c) -> int32_t {
            return std::chrono::steady_clock::now() >= c->deadline;
        };
        table_.remaining_ms = [](const gantry_call* c) -> int64_t {
            return std::chrono::duration_cast<std::chrono::milliseconds>(c->deadline - std::chrono::steady_clock::now())
                .count();
        };
        table_.in_netns = in_netns;
        table_.spawn = [](void*, gantry_call*, gantry_str, const int*, int32_t*) -> gantry_status {
            return GANTRY_UNSUPPORTED;
        };
        table_.event = [](void*, gantry_str) {};
        table_.extension = [](void*, const char*) -> const void* { return nullptr; };
        driver_.size = sizeof driver_;
    }

    static void reply(gantry_call* call, gantry_status status, gantry_str json, const int* fds, uint32_t count) {
        std::lock_guard lock(call->mutex);
        if (call->replies++ > 0) {
            call->outcome.status = GANTRY_INTERNAL;
            call->outcome.message = "answered twice";
            return;
        }
        Json body = json.len ? Json::parse(json.ptr, json.ptr + json.len, nullptr, false) : Json::object();
        call->outcome.status = body.is_object() ? status : static_cast<gantry_status>(GANTRY_INTERNAL);
        if (!body.is_object())
            call->outcome.message = "the answer is not a JSON object";
        else if (status == GANTRY_OK)
            call->outcome.result = body;
        else
            call->outcome.message = body.value("message", "");
        for (uint32_t i = 0; i < count; ++i) call->outcome.fds.emplace_back(::fcntl(fds[i], F_DUPFD_CLOEXEC, 3));
        call->answered = true;
        call->done.notify_all();
    }

    static gantry_status in_netns(void*, int netns, int32_t (*fn)(void*), void* arg, int32_t* result) {
        gantry_status status = GANTRY_OK;
        std::thread([&] {
            if (::setns(netns, CLONE_NEWNET) != 0)
                status = GANTRY_INVALID;
            else
                *result = fn(arg);
        }).join();
        return status;
    }

    static gantry_op find(const void* table, std::string_view id, std::string_view operation) {
        struct Known {
            std::string_view table, operation;
            std::size_t offset;
        };
#define GANTRY_KNOWN(id, type, op) \
    Known { id, #op, offsetof(type, op) }
        static constexpr Known known[] = {
            GANTRY_KNOWN(GANTRY_NETWORK, gantry_network, ensure),
            GANTRY_KNOWN(GANTRY_NETWORK, gantry_network, remove),
            GANTRY_KNOWN(GANTRY_NETWORK, gantry_network, inspect),
            GANTRY_KNOWN(GANTRY_NETWORK, gantry_network, attach),
            GANTRY_KNOWN(GANTRY_NETWORK, gantry_network, detach),
            GANTRY_KNOWN(GANTRY_NETWORK, gantry_network, inspect_endpoint),
            GANTRY_KNOWN(GANTRY_NETWORK_EXPOSE, gantry_network_expose, expose),
            GANTRY_KNOWN(GANTRY_NETWORK_STATS, gantry_network_stats, stats),
            GANTRY_KNOWN(GANTRY_NETWORK_IPAM, gantry_network_ipam, agree),
            GANTRY_KNOWN(GANTRY_NETWORK_IPAM, gantry_network_ipam, ranges),
            GANTRY_KNOWN(GANTRY_NETWORK_IPAM, gantry_network_ipam, claim),
            GANTRY_KNOWN(GANTRY_NETWORK_IPAM, gantry_network_ipam, release),
            GANTRY_KNOWN(GANTRY_NETWORK_PEERS, gantry_network_peers, peers),
            GANTRY_KNOWN(GANTRY_NETWORK_PEERS, gantry_network_peers, announce),
            GANTRY_KNOWN(GANTRY_VOLUME, gantry_volume, ensure),
            GANTRY_KNOWN(GANTRY_VOLUME, gantry_volume, remove),
            GANTRY_KNOWN(GANTRY_VOLUME, gantry_volume, inspect),
            GANTRY_KNOWN(GANTRY_VOLUME, gantry_volume, list),
            GANTRY_KNOWN(GANTRY_VOLUME, gantry_volume, publish),
            GANTRY_KNOWN(GANTRY_VOLUME, gantry_volume, unpublish),
            GANTRY_KNOWN(GANTRY_LAYER, gantry_layer, prepare),
            GANTRY_KNOWN(GANTRY_LAYER, gantry_layer, view),
            GANTRY_KNOWN(GANTRY_LAYER, gantry_layer, mounts),
            GANTRY_KNOWN(GANTRY_LAYER, gantry_layer, commit),
            GANTRY_KNOWN(GANTRY_LAYER, gantry_layer, remove),
            GANTRY_KNOWN(GANTRY_LAYER, gantry_layer, stat),
            GANTRY_KNOWN(GANTRY_LAYER, gantry_layer, list),
            GANTRY_KNOWN(GANTRY_LAYER, gantry_layer, usage),
            GANTRY_KNOWN(GANTRY_LAYER, gantry_layer, cleanup),
            GANTRY_KNOWN(GANTRY_LAYER, gantry_layer, apply),
            GANTRY_KNOWN(GANTRY_LAYER, gantry_layer, diff),
            GANTRY_KNOWN(GANTRY_LAYER, gantry_layer, changes),
        };
#undef GANTRY_KNOWN
        uint32_t size = 0;
        std::memcpy(&size, table, sizeof size);
        for (const Known& one : known) {
            if (one.table != id || one.operation != operation || size < one.offset + sizeof(gantry_op)) continue;
            gantry_op op = nullptr;
            std::memcpy(&op, static_cast<const char*>(table) + one.offset, sizeof op);
            return op;
        }
        return nullptr;
    }

    gantry_host table_{};
    gantry_driver driver_{};
    bool opened_ = false;
    std::mutex mutex_;
    std::vector<std::shared_ptr<gantry_call>> calls_;
};

}  // namespace gantry::testing
