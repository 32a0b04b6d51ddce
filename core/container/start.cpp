// Start: everything a container needs is made, the network beside the rest, and its process execs. What fails undoes
// what was done, in reverse.
#include <fcntl.h>

#include <future>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"
#include "core/container/capabilities.hpp"
#include "core/container/entry.hpp"
#include "core/container/log_options.hpp"
#include "core/container/network_wishes.hpp"
#include "core/container/rootfs_view.hpp"
#include "core/container/seccomp_profile.hpp"
#include "core/container/spec.hpp"

namespace gantry::container {
namespace {

// Times of the steps of one start, for --trace-start.
class Trace {
public:
    Trace(bool on, std::string_view id) : on_(on), id_(id.substr(0, 12)), last_(monotonic_ns()) {}
    void step(std::string_view name) {
        if (!on_) return;
        std::int64_t now = monotonic_ns();
        log::info("trace-start", {{"container", id_}, {"step", std::string(name)}, {"us", std::to_string((now - last_) / 1000)}});
        last_ = now;
    }

private:
    bool on_;
    std::string id_;
    std::int64_t last_;
};

// The network is made on another worker while the runtime makes the rest. The namespace comes first, so that the
// runtime can join it before it has interfaces.
struct NetworkWork {
    std::promise<int> netns;
    std::promise<Result<network::Attached>> attached;
    std::atomic<bool> told{false};
};

std::string search_line(const Json& list, const char* word) {
    std::string line;
    for (const Json& item : list) line += (line.empty() ? std::string(word) + " " : " ") + item.get<std::string>();
    return line.empty() ? line : line + "\n";
}

std::string namespace_path(const Monitor& monitor, const char* kind) { return "/proc/" + std::to_string(monitor.pid()) + "/ns/" + kind; }

}  // namespace

Result<std::vector<std::string>> ContainerService::capabilities_of(const Container& c) {
    if (c.host_config["Privileged"].get<bool>()) return all_capabilities();
    auto strings = [&](const char* key) { return c.host_config[key].is_array() ? c.host_config[key].get<std::vector<std::string>>() : std::vector<std::string>{}; };
    return effective_capabilities(default_capabilities(), strings("CapAdd"), strings("CapDrop"), nullptr);
}

Result<std::string> ContainerService::seccomp_for(const Container& c, const std::vector<std::string>& capabilities, bool privileged) {
    GANTRY_TRY(SecurityOptions security, read_security_options(c.host_config));
    if (privileged || security.unconfined_seccomp) return std::string();
    // The default profile is the same for the same capabilities; most containers share one.
    std::string cache_key;
    if (security.seccomp_profile.is_null()) {
        cache_key = "default " + join(capabilities, " ");
        std::lock_guard lock(index_mutex_);
        if (auto found = seccomp_cache_.find(cache_key); found != seccomp_cache_.end()) return found->second;
    }
    SeccompProfile profile;
    if (security.seccomp_profile.is_null()) profile = default_seccomp(capabilities);
    else {
        GANTRY_TRY(profile, resolve_seccomp(security.seccomp_profile, capabilities));
    }
    GANTRY_CHECK(launcher_->warm_seccomp(profile.digest, profile.oci));
    std::lock_guard lock(index_mutex_);
    if (!cache_key.empty()) seccomp_cache_[cache_key] = profile.digest;
    return profile.digest;
}

Result<User> ContainerService::resolve_user(Entry& entry, const std::string& user, const Json& root_plan) {
    const Container& c = entry.record;
    std::vector<std::string> more = c.host_config["GroupAdd"].is_array() ? c.host_config["GroupAdd"].get<std::vector<std::string>>() : std::vector<std::string>{};
    // An untouched container has its image's passwd file.
    bool untouched = c.state.started_ns == 0 && c.mounts.empty();
    std::string key = c.image_id + "\n" + user + "\n" + join(more, ",");
    if (untouched) {
        std::lock_guard lock(index_mutex_);
        if (auto found = user_cache_.find(key); found != user_cache_.end()) return found->second;
    }
    GANTRY_TRY(UniqueFd root, open_rootfs(root_plan, Access::read_only));
    GANTRY_TRY(User result, look_up_user(root.get(), user, more));
    if (untouched) {
        std::lock_guard lock(index_mutex_);
        if (user_cache_.size() > 1024) user_cache_.clear();
        user_cache_[key] = result;
    }
    return result;
}

Result<void> ContainerService::write_network_files(const Entry& entry, const network::Attached& attached, const std::string& hostname) {
    const Container& c = entry.record;
    std::string run = run_directory(c.id);
    std::string hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";
    if (attached.mode == network::Attached::Mode::host) {
        if (auto own = read_file("/etc/hosts", 1 << 20)) hosts = *own;
    }
    std::string gateway;
    for (const auto& [name, settings] : attached.settings.items())
        if (gateway.empty()) gateway = settings.value("Gateway", "");
    if (const Json& extra = c.host_config["ExtraHosts"]; extra.is_array())
        for (const Json& item : extra) {
            std::string text = item.get<std::string>();
            std::size_t separator = text.find_first_of("=:");
            if (separator == std::string::npos) continue;
            std::string address = text.substr(separator + 1);
            if (address == "host-gateway") address = gateway.empty() ? "127.0.0.1" : gateway;
            hosts += address + "\t" + text.substr(0, separator) + "\n";
        }
    for (const auto& [address, names] : attached.hosts) hosts += address + "\t" + names + "\n";

    std::string resolv;
    Json dns = c.host_config["Dns"];
    if ((!dns.is_array() || dns.empty()) && !settings_.dns.empty()) dns = settings_.dns;
    const Json& search = c.host_config["DnsSearch"];
    const Json& options = c.host_config["DnsOptions"];
    std::string own;
    if (auto text = read_file("/etc/resolv.conf", 1 << 20)) own = *text;
    bool user_servers = dns.is_array() && !dns.empty();
    if (user_servers) {
        for (const Json& server : dns) resolv += "nameserver " + server.get<std::string>() + "\n";
    } else if (!attached.resolvers.empty()) {
        for (const auto& server : attached.resolvers) resolv += "nameserver " + server + "\n";
    }
    for (std::string_view line : split(own, '\n')) {
        bool server = line.starts_with("nameserver"), searching = line.starts_with("search") || line.starts_with("domain"), option = line.starts_with("options");
        if ((server && resolv.empty()) || (server && !user_servers && attached.resolvers.empty())) resolv += std::string(line) + "\n";
        if ((searching && (!search.is_array() || search.empty())) || (option && (!options.is_array() || options.empty()))) resolv += std::string(line) + "\n";
    }
    if (search.is_array() && !(search.size() == 1 && search[0] == ".")) resolv += search_line(search, "search");
    if (options.is_array()) resolv += search_line(options, "options");

    // In place: the files are bind mounts already, and a new inode would not be seen.
    GANTRY_CHECK(write_file(run + "/hosts", hosts, 0644));
    GANTRY_CHECK(write_file(run + "/resolv.conf", resolv, 0644));
    return write_file(run + "/hostname", hostname + "\n", 0644);
}

// The caller holds entry.operation.
Result<void> ContainerService::start_locked(const EntryPtr& pointer) {
    Entry& entry = *pointer;
    const Container c = entry.snapshot();
    Trace trace(settings_.trace_start, c.id);
    GANTRY_TRY(std::int64_t intent, with_.store.begin_intent("container", c.id, "start", Json::object()));
    ScopeGuard end_intent([&] { (void)with_.store.end_intent(intent); });
    GANTRY_FAILPOINT("container.start.after_intent");
    trace.step("intent");

    std::string run = run_directory(c.id), data = directory(c.id);
    GANTRY_CHECK(make_directories(run, 0711));
    ScopeGuard drop_run([&] { (void)remove_tree(run); });
    for (const char* name : {"/hosts", "/resolv.conf", "/hostname"}) GANTRY_CHECK(write_file(run + name, "", 0644));

    GANTRY_TRY(NetworkWishes wishes, network_wishes(c));
    std::string hostname = c.config["Hostname"];
    if (c.host_config["UTSMode"] == "host") {
        char own[256] = {};
        ::gethostname(own, sizeof own - 1);
        hostname = own;
    }
    // Whose namespace it shares is settled first: another container's, or its own made beside the rest.
    UniqueFd joined;
    std::string partner_network;
    if (wishes.mode.starts_with("container:")) {
        GANTRY_TRY(EntryPtr partner, find(wishes.mode.substr(10)));
        std::shared_ptr<Monitor> monitor;
        {
            std::lock_guard lock(partner->mutex);
            monitor = partner->record.active() ? partner->monitor : nullptr;
        }
        if (!monitor) return fail(Code::conflict, "cannot join network of a non running container: " + partner->record.id);
        GANTRY_TRY(joined, open_file(namespace_path(*monitor, "net"), O_RDONLY));
        partner_network = partner->record.id;
    }

    auto work = std::make_shared<NetworkWork>();
    auto netns_ready = work->netns.get_future();
    auto attached_ready = work->attached.get_future();
    with_.post([this, work, c, hostname, wishes] {
        auto tell = [&](int fd) {
            if (!work->told.exchange(true)) work->netns.set_value(fd);
        };
        auto attached = with_.networks.attach(c.id, c.name, hostname, wishes.mode, wishes.endpoints, wishes.ports, tell);
        tell(attached && attached->netns ? attached->netns.get() : -1);
        work->attached.set_value(std::move(attached));
    });
    // Nothing below may return before that work has ended: its namespace and ours are undone together.
    std::optional<Result<network::Attached>> attached;
    auto join_network = [&]() -> Result<network::Attached>& {
        if (!attached) attached = attached_ready.get();
        return *attached;
    };
    ScopeGuard drop_network([&] {
        (void)join_network();
        (void)with_.networks.detach(c.id, true);
    });

    GANTRY_TRY(auto layers, with_.drivers.get(driver::Kind::layer, c.layer_driver));
    GANTRY_TRY(driver::Reply plan, layers->call("layer/1", "mounts", {{"key", c.layer}}));
    trace.step("layer");
    SpecInput input;
    input.container = &c;
    GANTRY_TRY(input.user, resolve_user(entry, c.config["User"], plan.result["mounts"]));
    GANTRY_TRY(input.capabilities, capabilities_of(c));
    GANTRY_TRY(std::string seccomp, seccomp_for(c, input.capabilities, c.host_config["Privileged"].get<bool>()));
    trace.step("user and seccomp");
    input.hostname = hostname;
    input.cgroup_path = "/" + settings_.engine + "/" + c.id;
    if (std::string parent = c.host_config["CgroupParent"]; !parent.empty()) input.cgroup_path = "/" + settings_.engine + "/" + clean_relative(parent) + "/" + c.id;
    input.network = wishes.mode == "host" ? NetworkNamespace::host : NetworkNamespace::joined;
    if (c.host_config["UTSMode"] == "host") input.uts_namespace = "host";
    for (auto [key, kind, target] : {std::tuple{"PidMode", "pid", &input.pid_namespace}, std::tuple{"IpcMode", "ipc", &input.ipc_namespace}}) {
        std::string mode = c.host_config[key];
        if (mode == "host") *target = "host";
        if (!mode.starts_with("container:")) continue;
        GANTRY_TRY(EntryPtr partner, find(mode.substr(10)));
        std::lock_guard lock(partner->mutex);
        if (!partner->record.active() || !partner->monitor) return fail(Code::conflict, std::string("cannot join ") + kind + " namespace of a non running container: " + partner->record.id);
        *target = namespace_path(*partner->monitor, kind);
    }
    input.hosts_file = run + "/hosts";
    input.resolv_file = run + "/resolv.conf";
    input.hostname_file = run + "/hostname";
    Spec spec = build_spec(input);
    GANTRY_CHECK(write_file(run + "/config.json", spec.config.dump(), 0600));
    trace.step("specification");

    LaunchRequest request;
    request.id = c.id;
    request.driver = c.runtime;
    request.bundle = run;
    request.run_dir = run;
    request.exit_file = data + "/exit.json";
    request.mounts = plan.result["mounts"];
    request.terminal = c.terminal();
    request.open_stdin = c.open_stdin();
    request.stdin_once = c.config["StdinOnce"];
    request.seccomp = seccomp;
    GANTRY_TRY(request.log, log_settings(c.host_config["LogConfig"], data + "/log"));
    std::vector<UniqueFd> held;
    for (const MountSource& source : spec.sources) {
        UniqueFd fd;
        if (source.point && source.point->type == "volume") {
            GANTRY_TRY(auto published, with_.volumes.publish(source.point->name, c.id, !source.point->writable));
            fd = std::move(published.mount);
            if (!source.point->subpath.empty()) {
                GANTRY_TRY(fd, open_in_root(fd.get(), source.point->subpath, O_PATH).context("volume subpath"));
            }
        } else {
            GANTRY_TRY(fd, open_file(source.path, O_PATH).context("bind mount"));
        }
        request.fds.push_back({"mount:" + std::to_string(source.index), fd.get()});
        held.push_back(std::move(fd));
    }
    ::unlink(request.exit_file.c_str());
    trace.step("mount sources");

    if (joined) {
        request.fds.push_back({"netns", joined.get()});
    } else if (input.network == NetworkNamespace::joined) {
        int netns = netns_ready.get();
        if (netns < 0) {
            auto& failed = join_network();
            if (!failed) return failed.error();
            return fail(Code::internal, "the network gave no namespace");
        }
        request.fds.push_back({"netns", netns});
    }
    trace.step("network namespace");
    {
        std::lock_guard lock(entry.mutex);
        request.attachments = std::move(entry.waiting);
        entry.waiting.clear();
    }
    GANTRY_FAILPOINT("container.start.before_launch");
    auto launched = launcher_->launch(std::move(request));
    if (!launched) return std::move(launched).error();
    std::shared_ptr<Monitor> monitor = std::move(launched).value();
    trace.step("launch");
    ScopeGuard end_monitor([&] {
        (void)monitor->signal(9, true);
        monitor->wait_gone();
    });
    GANTRY_FAILPOINT("container.start.after_launch");
    if (auto& result = join_network(); !result) return result.error();
    trace.step("network");
    network::Attached& network = **attached;
    GANTRY_CHECK(write_network_files(entry, network, hostname));
    GANTRY_FAILPOINT("container.start.before_exec");
    {
        // Recorded as running before the process runs: an end that comes at once finds its record.
        std::lock_guard lock(entry.mutex);
        ++entry.start_number;
        entry.monitor = monitor;
        entry.network_settings = network.settings;
        entry.ports = network.ports;
        entry.seccomp = seccomp;
        entry.user = input.user;
        entry.user_known = true;
        State& state = entry.record.state;
        state.status = Status::running;
        state.pid = monitor->pid();
        state.exit_code = 0;
        state.oom_killed = false;
        state.error.clear();
        state.started_ns = wall_clock_ns();
        state.stopped_by_user = false;
        state.boot_id = boot_id();
        entry.record.health = {};
    }
    auto undo_running = [&](const std::string& error, int exit_code) {
        std::lock_guard lock(entry.mutex);
        entry.monitor = nullptr;
        entry.network_settings = Json::object();
        entry.ports.clear();
        State& state = entry.record.state;
        state.status = c.state.status == Status::created ? Status::created : Status::exited;
        state.pid = 0;
        state.error = error;
        state.exit_code = exit_code;
        state.started_ns = c.state.started_ns;
        (void)save(entry);
    };
    if (auto started = monitor->start(); !started) {
        Error error = std::move(started).error();
        undo_running(error.text, error.code == Code::not_found ? 127 : error.code == Code::denied || error.code == Code::invalid ? 126 : 128);
        return error;
    }
    trace.step("exec");
    GANTRY_FAILPOINT("container.start.after_exec");
    {
        std::lock_guard lock(entry.mutex);
        Result<void> saved = with_.store.transact([&]() -> Result<void> {
            GANTRY_CHECK(save(entry));
            return with_.store.end_intent(intent);
        });
        if (!saved) {
            entry.monitor = nullptr;
            entry.record.state = c.state;
            return saved;
        }
    }
    trace.step("record");
    GANTRY_FAILPOINT("container.start.after_commit");
    end_intent.dismiss();
    drop_run.dismiss();
    drop_network.dismiss();
    end_monitor.dismiss();
    publish(entry, "start");
    begin_health(pointer);
    return {};
}

Result<Done> ContainerService::start(const std::string& ref) {
    GANTRY_CHECK(launcher_ready());
    GANTRY_TRY(EntryPtr entry, find(ref));
    std::lock_guard operation(entry->operation);
    {
        std::lock_guard lock(entry->mutex);
        if (entry->removed) return fail(Code::not_found, "No such container: " + ref);
        if (entry->record.state.status == Status::paused) return fail(Code::conflict, "cannot start a paused container, try unpause instead");
        if (entry->record.state.status == Status::running) return Done::not_modified;
        if (entry->record.state.status == Status::removing || entry->record.state.status == Status::dead)
            return fail(Code::conflict, "container is marked for removal and cannot be started");
        entry->restart_delay_ms = 100;
        entry->record.state.restart_count = 0;
    }
    auto started = start_locked(entry);
    if (started) return Done::changed;
    Error error = std::move(started).error();
    {
        std::lock_guard lock(entry->mutex);
        entry->waiting.clear();  // attached clients see the end of their stream
        entry->record.state.error = error.text;
    }
    bool ephemeral = entry->record.auto_remove();
    notify(*entry, false);
    if (ephemeral) (void)remove_locked(*entry, true);
    return std::move(error).context("failed to start container " + entry->record.name);
}

}  // namespace gantry::container
