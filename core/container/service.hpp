// Containers, the engine's side: from a create request to the last trace being gone. One object; every method is
// thread-safe, may block (worker threads only) and holds no lock over a driver call. Errors carry Docker's words.
//
// What happens to one container at a time: start, the handling of its end, and removal hold its operation lock; all else
// only reads its record or talks to its monitor, so that list, inspect, kill and stop never wait for a slow start.
#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/archive/tar_writer.hpp"
#include "core/base/coalesced_text.hpp"
#include "core/container/container.hpp"
#include "core/container/container_root.hpp"
#include "core/container/create_request.hpp"
#include "core/container/monitor_client.hpp"
#include "core/container/rootfs_view.hpp"
#include "core/container/task.hpp"
#include "core/container/user_lookup.hpp"
#include "core/container/view.hpp"
#include "core/driver/registry.hpp"
#include "core/image/image_store.hpp"
#include "core/network/network_service.hpp"
#include "core/store/store.hpp"
#include "core/volume/volume_service.hpp"

namespace gantry::container {

// What may change while the engine runs: it holds for what is created, started and stopped from then on.
struct Adjustable {
    CreateDefaults defaults;
    int stop_timeout_s = 10;
    int shutdown_timeout_s = 15;   // for all containers together when the whole engine ends
    std::vector<std::string> dns;  // of the configuration; empty: the host's
};

struct ServiceSettings {
    std::string engine;     // prefix of cgroups
    std::string root, run;  // root/containers/ID, run/containers/ID
    Adjustable adjustable;
    bool trace_start = false;  // one log line a step of each start, end and removal, in microseconds
};

struct Collaborators {
    store::Store& store;
    driver::Registry& drivers;
    image::ImageStore& images;
    volume::VolumeService& volumes;
    network::NetworkService& networks;
    // Tells the world: ("container", "start", id, attributes).
    std::function<void(std::string_view type, std::string_view action, const std::string& id, const Json& attributes)>
        publish;
    // Runs work on a worker thread.
    std::function<void(std::function<void()>)> post;
};

struct StartAttempt;
struct NetworkWishes;
struct MountSource;

enum class Done { changed = 1, not_modified };
enum class WaitCondition { not_running = 1, next_exit, removed };

class ContainerService {
public:
    ContainerService(ServiceSettings settings, Collaborators collaborators);
    ~ContainerService();
    // Reads the containers from the store (damaged ones are set aside). Before anything else.
    Result<void> load();
    // The launcher to start containers with, and then: adopts what still runs, finishes what was begun, applies restart
    // policies. Runs while the API is served already; start waits for it.
    void recover(std::unique_ptr<Launcher> launcher);
    // Where the launcher's events go.
    void on_monitor_event(const std::string& id, const MonitorEvent& event);
    // The launcher, once recovery has ended; waits for that.
    Result<Launcher*> ready_launcher();
    // Stops every container, eight at a time, each with its own grace, but no longer than all have together.
    void stop_all();
    // Exchanges what may change. Thread-safe; blocks for nothing.
    void adjust(Adjustable adjustable);
    // The engine is ending: nothing new is begun. wait_closing waits for that, milliseconds at most, and says whether it
    // is so.
    void begin_closing();
    bool wait_closing(int milliseconds);
    // Runs work that sleeps nearly always (a followed log, live statistics, a probe) on a thread of its own; false: the
    // engine is ending, and nothing was begun. close() waits for it.
    bool run_beside(std::function<void()> work);
    // Waits for what runs on threads of its own. The last call before destruction; containers go on.
    void close();

    // --- what the API offers; `ref` is a name, an id or an unambiguous prefix; the members of a body have the API's types
    Result<Json> create(const std::string& name, const Json& body);
    Result<Done> start(const std::string& ref);
    Result<Done> stop(const std::string& ref, const std::string& signal, std::optional<int> timeout_s);
    Result<void> restart(const std::string& ref, const std::string& signal, std::optional<int> timeout_s);
    Result<void> kill(const std::string& ref, const std::string& signal);
    Result<void> pause(const std::string& ref);
    Result<void> unpause(const std::string& ref);
    Result<void> rename(const std::string& ref, const std::string& name);
    Result<void> remove(const std::string& ref, bool volumes, bool force);
    // `path`: "web/db" is what container "web" calls another one; the name goes, the container stays.
    Result<void> remove_link(const std::string& path);
    Result<Json> update(const std::string& ref, const Json& body);
    // `done` is called once, with the exit code, when the condition holds; at once where it does already. Gives a number
    // to cancel with.
    Result<std::uint64_t> wait(const std::string& ref, WaitCondition condition,
                               std::function<void(int exit_code, const std::string& error)> done);
    void cancel_wait(const std::string& ref, std::uint64_t number);
    // In two steps, because a client starts the container as soon as it has the head of the attach's answer: begin_attach
    // before the connection is hijacked (GANTRY_CONFLICT / NOT_FOUND where it would be refused), attach or abandon_attach
    // after. A start waits for what was begun, so that no byte is missed.
    Result<void> begin_attach(const std::string& ref);
    Result<void> attach(const std::string& ref, Monitor::Attachment attachment);
    void abandon_attach(const std::string& ref);
    Result<void> resize(const std::string& ref, int rows, int columns);
    Result<Json> top(const std::string& ref, const std::string& ps_arguments);
    Result<Json> stats(const std::string& ref);
    Result<Json> changes(const std::string& ref);
    // Files as archives, in the container's own view (running or not), by descriptor only. `begin` is called once, when
    // nothing but the writing itself can fail any more; with ContainerPathStat, or null.
    using ArchiveStart = std::function<archive::Sink(const Json& stat)>;
    Result<Json> stat_path(const std::string& ref, const std::string& path);
    Result<void> read_archive(const std::string& ref, const std::string& path, const ArchiveStart& begin);
    struct CopyOptions {
        bool keep_kinds = false;       // noOverwriteDirNonDir
        bool container_owner = false;  // copyUIDGID: what is copied belongs to the container's user
    };
    // Unpacks the archive that `body` gives (plain or compressed) into the directory `path`.
    Result<void> write_archive(const std::string& ref, const std::string& path, int body, const CopyOptions& wish);
    // The root file system without what is mounted in it.
    Result<void> export_root(const std::string& ref, const ArchiveStart& begin);
    // A new image of what the container changed; gives its id. `query` as in POST /commit.
    struct CommitWish {
        std::string repository, tag, comment, author;
        std::vector<std::string> changes;
        bool pause = true;
    };
    Result<std::string> commit(const std::string& ref, const CommitWish& wish, const Json& config);
    Result<Json> inspect(const std::string& ref, bool size);
    Result<Json> list(bool all, int limit, bool size, const Filters& filters);
    // The same without sizes and filters, as the text of the JSON list: what has not changed since is not made again.
    // Whoever asks while one is being made shares the next.
    CoalescedText::Text list_text(bool all, int limit);

    Result<std::string> exec_create(const std::string& ref, const Json& body);
    Result<void> exec_start(const std::string& exec_id, const Json& body,
                            std::optional<Monitor::Attachment> attachment);
    Result<Json> exec_inspect(const std::string& exec_id);
    Result<void> exec_resize(const std::string& exec_id, int rows, int columns);
    Result<bool> exec_terminal(const std::string& exec_id);

    // Runs a process to its end in a root that the caller has made (task.hpp). One that could not be executed is an error;
    // one that failed is not.
    Result<TaskEnd> run_task(Task task, const OnTaskStart& on_start);

    // For logs: where they lie, whether it has a terminal, and whether more may come.
    struct LogSource {
        std::string id, directory, driver;
        bool terminal = false, running = false;
    };
    Result<LogSource> log_source(const std::string& ref);

    // For other parts: networks connect and disconnect, image removal.
    Result<void> connect_network(const std::string& network, const Json& body);
    Result<void> disconnect_network(const std::string& network, const Json& body);
    // "container ID" or "running container ID" of one that was made of the image or mounts it, a running one first; "" for none.
    std::string user_of_image(const std::string& image_id);
    // By id of an image: the ids of the containers that were made of it.
    std::map<std::string, std::vector<std::string>> by_image();
    std::set<std::string> networks_wanted();
    std::vector<std::string> layers_in_use();
    void mark_images_used(const Container& container);
    struct Counts {
        int total = 0, running = 0, paused = 0, stopped = 0;
    };
    Counts counts();
    Result<std::string> id_of(const std::string& ref);
    // Whether its process has a terminal (Config.Tty).
    Result<bool> has_terminal(const std::string& ref);

private:
    struct Entry;
    struct Execution;
    struct RunningTask;
    class Timers;
    class Executions;
    using EntryPtr = std::shared_ptr<Entry>;

    Result<EntryPtr> find(const std::string& ref);
    std::vector<EntryPtr> all();
    // Waits until what runs is known, for some seconds after the engine's start: what is told then is true.
    void await_states();
    // Waits until recovery has ended.
    Result<void> launcher_ready();
    // The runtime driver is one the launcher has loaded; otherwise why not, with those it has.
    Result<void> check_runtime(const std::string& name);
    Result<void> save(Entry& entry);
    void save_wish(Entry& entry);
    void publish(const Entry& entry, std::string_view action, Json more = Json::object());

    Snapshot take_snapshot(Entry& entry);
    std::string make_list_text(bool any_state, int limit);
    struct Sizes {
        std::int64_t own = 0, whole = 0;
    };
    Result<Sizes> sizes_of(const Container& container);
    Result<std::shared_ptr<Monitor>> monitor_of(Entry& entry);
    Result<std::vector<std::pair<std::string, int>>> layer_changes(const Container& container);
    // copy.cpp
    Result<std::vector<ContainerRoot::Attachment>> open_mounts(const Container& container);
    Result<ContainerRoot> open_stopped_root(const Container& container, Access access);
    Result<ContainerRoot> open_root(Entry& entry, Access access, std::unique_lock<std::mutex>& operation);
    // start.cpp
    Result<void> start_locked(const EntryPtr& pointer);
    Result<void> plan_start(StartAttempt& start);
    Result<void> specify_start(Entry& entry, StartAttempt& start);
    Result<std::unique_ptr<Launcher::Launch>> begin_runtime(StartAttempt& start, int netns);
    Result<UniqueFd> open_source(const Container& container, const MountSource& source);
    Result<std::shared_ptr<Monitor>> partner_of(const std::string& mode, const char* kind);
    void mark_running(Entry& entry, const StartAttempt& start, const network::Attached& network,
                      std::shared_ptr<Monitor> monitor);
    void unmark_running(Entry& entry, const StartAttempt& start, const Error& error);
    Result<void> write_network_files(const Container& container, const network::Attached& attached,
                                     const std::string& hostname, const std::string& run);
    // links.cpp
    Result<void> settle_links(Container& container);
    Result<void> check_links(const Container& container);
    std::string linked_hosts(const Container& container);
    void tell_linked(Entry& entry);
    std::vector<std::string> links_of(const Container& container);
    std::map<std::string, std::vector<std::string>> linked_names();
    EntryPtr entry_of(const std::string& id);
    void index_links(const Container& container);  // the caller holds index_mutex_
    void forget_links(const std::string& id);      // the same
    // task.cpp
    bool on_task_event(const std::string& id, const MonitorEvent& event);
    Result<LaunchRequest> specify_task(Task& task, const Container& c, const NetworkWishes& wishes,
                                       const std::string& run);
    void sweep_tasks();
    std::string task_directory(const std::string& id) const;
    // identity.cpp: as whom, and with what, a process runs
    struct Identity {
        User user;
        std::vector<std::string> capabilities;
        std::string seccomp;
    };
    Result<User> resolve_user(Entry& entry, const std::string& user, const Json& root_plan);
    Result<std::string> seccomp_for(const Container& container, const std::vector<std::string>& capabilities,
                                    bool privileged);
    Result<std::vector<std::string>> capabilities_of(const Container& container);
    Result<Identity> identity_of(Entry& entry, const Monitor& monitor, const std::string& wanted_user, bool privileged);
    // exit.cpp
    void handle_exit(const EntryPtr& entry, const MonitorEvent& event);
    void after_exit(const EntryPtr& entry, bool start_again);
    bool wants_restart(const Entry& entry) const;
    void schedule_restart(const EntryPtr& entry);
    void notify(Entry& entry, bool removed);
    // probe.cpp
    void begin_health(const EntryPtr& entry);
    void probe_soon(const EntryPtr& entry, std::uint64_t number, const HealthCheck& check);
    std::int64_t probe(const EntryPtr& entry, std::uint64_t number, const HealthCheck& check);
    bool wait_inactive(Entry& entry, int timeout_ms);
    Result<void> set_paused(const std::string& ref, bool pause);
    // remove.cpp
    Result<void> remove_locked(Entry& entry, bool volumes);
    void discard_layer(const std::string& driver, const std::string& key);
    // image_mounts.cpp
    Result<std::vector<std::string>> resolve_image_mounts(const std::string& layer, std::vector<MountPoint>& mounts);
    Result<void> make_image_views(const Container& container, const std::vector<MountPoint>& mounts);
    std::vector<std::string> image_views(const Container& container) const;
    Result<UniqueFd> open_image(const Container& container, const MountPoint& point);
    Result<void> discard_directory(const std::string& id);
    void empty_graveyard();
    // recover.cpp
    void recover_one(const EntryPtr& entry, bool unfinished_start);
    void take_down_unfinished(Entry& entry);
    void adopt_strays(const std::set<std::string>& existing, std::set<std::string>& running);
    void sweep(const Container& container);
    bool sweep_again(const store::Intent& intent, const std::set<std::string>& running);
    void finish_unfinished_creates(const std::vector<store::Intent>& intents);

    std::string directory(const std::string& id) const { return settings_.root + "/containers/" + id; }
    // Directories of removed containers, until their files are deleted.
    std::string graveyard() const { return settings_.root + "/removed"; }
    std::string cgroup_path(const Container& container) const;
    Result<void> update_ports(Entry& entry, Json host_config, const Json& add, const Json& remove);
    std::string run_directory(const std::string& id) const { return settings_.run + "/containers/" + id; }

    std::shared_ptr<const Adjustable> adjustable() const;

    const ServiceSettings settings_;
    mutable std::mutex adjustable_mutex_;
    std::shared_ptr<const Adjustable> adjustable_;
    Collaborators with_;
    std::unique_ptr<Launcher> launcher_;
    std::unique_ptr<Timers> timers_;
    std::unique_ptr<Executions> executions_;
    std::vector<std::pair<std::string, std::shared_ptr<Monitor>>> strays_;  // containers that run and have no record

    std::mutex beside_mutex_;  // threads of run_beside, which close() waits for
    std::condition_variable beside_changed_;
    int beside_running_ = 0;
    bool closing_ = false;

    CoalescedText list_texts_[2];  // of GET /containers/json: of those that run, of all
    std::mutex hosts_mutex_;       // files "hosts" of containers with links; before an entry's mutex and index_mutex_

    std::mutex index_mutex_;  // the maps below, never held over anything that blocks
    std::condition_variable recovered_changed_;
    bool states_known_ = false;  // what runs is known; a little before the whole recovery has ended
    bool recovered_ = false;
    std::chrono::steady_clock::time_point patience_;        // until when list and inspect wait for that
    std::map<std::string, EntryPtr> entries_;               // by id
    std::map<std::string, std::string> names_;              // name -> id; also names being created ("" until known)
    std::set<std::pair<std::string, std::string>> linked_;  // ids: target, and who has a link to it
    std::map<std::string, std::shared_ptr<RunningTask>> tasks_;
    Json runtimes_ = Json::array();                     // what the launcher said of its drivers
    std::map<std::string, User> user_cache_;            // "top layer\nuser" -> who that is in an untouched container
    std::map<std::string, std::string> seccomp_cache_;  // "default CAP_.." -> digest that the launcher has
};

}  // namespace gantry::container
