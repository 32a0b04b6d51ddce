#include <fcntl.h>
#include <signal.h>

#include <gantry/abi/runtime.h>
#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/log.hpp"
#include "core/monitor/monitor_types.hpp"
#include "core/monitor/wire.hpp"

namespace gantry::monitor {

void Monitor::accept_control() {
    auto connection = accept_unix(listener_.get());
    if (!connection) return;
    auto uid = peer_uid(connection->get());
    if (!uid || (*uid != 0 && *uid != ::geteuid())) return;
    add_control(std::move(*connection));
}

Monitor::Control& Monitor::add_control(UniqueFd connection) {
    // An engine that does not read must not stop the monitor.
    if (int flags = ::fcntl(connection.get(), F_GETFL); flags >= 0)
        ::fcntl(connection.get(), F_SETFL, flags | O_NONBLOCK);
    auto owned = std::make_unique<Control>();
    Control& control = *owned;
    control.fd = std::move(connection);
    control.watch =
        std::make_unique<Watch>(loop_, control.fd.get(), [this, &control](std::uint32_t) { control_ready(control); });
    if (!control.watch->want(EPOLLIN)) control.dead = true;
    controls_.push_back(std::move(owned));
    return control;
}

void Monitor::control_ready(Control& control) {
    if (control.dead) return;
    auto message = receive_message(control.fd.get());
    if (message) return handle(control, std::move(*message));
    if (message.error().system_errno == EAGAIN) return;
    control.dead = true;
    control.watch->want(0);
}

void Monitor::handle(Control& control, Message message) {
    const Json sequence = member<Json>(message.body, "seq");
    std::string operation = member<std::string>(message.body, "op");
    if (operation == "seen") {
        control.seen = std::max(control.seen, member<std::uint64_t>(message.body, "number"));
        return;
    }
    if (ended_) return;  // the end of the connection answers
    if (operation == "hello") {
        control.acknowledges = member<bool>(message.body, "acknowledges");
        reply(control, sequence, state());
        for (const Finished& finished : finished_) send(control, exec_event(finished));
        return;
    }
    auto checked = check_fd_names(message);
    if (!checked) return reply(control, sequence, std::move(checked).error());
    reply(control, sequence, perform(operation, message));
}

Json Monitor::state() const {
    Json execs = Json::array();
    for (const auto& [pid, exec] : execs_) execs.push_back({{"exec_id", exec->id}, {"pid", pid}});
    return {{"protocol", protocol_version},
            {"id", spec_.id},
            {"pid", pid_},
            {"monitor_pid", ::getpid()},
            {"started", started_},
            {"started_ns", started_ns_},
            {"exit_file", spec_.exit_file},
            {"terminal", spec_.terminal},
            {"execs", execs}};
}

Result<Json> Monitor::perform(const std::string& operation, Message& message) {
    const Json& body = message.body;
    if (operation == "ping") return Json::object();
    if (operation == "start") return start();
    if (operation == "signal") {
        GANTRY_CHECK(
            call(GANTRY_RUNTIME, "signal",
                 {{"id", spec_.id}, {"signal", member<int>(body, "signal")}, {"all", member<bool>(body, "all")}}));
        return Json::object();
    }
    if (operation == "exec") return exec(message);
    if (operation == "attach") {
        GANTRY_TRY(ClientSpec client, take_client(message, member<Json>(body, "attachment", Json::object()), ""));
        io_->attach(std::move(client));
        return Json::object();
    }
    if (operation == "resize") {
        std::string exec_id = member<std::string>(body, "exec_id");
        int rows = member<int>(body, "rows"), columns = member<int>(body, "columns");
        if (exec_id.empty()) {
            GANTRY_CHECK(io_->resize(rows, columns));
            return Json::object();
        }
        for (auto& [pid, exec] : execs_) {
            if (exec->id != exec_id) continue;
            if (!exec->io) return fail(Code::unsupported, "exec \"" + exec_id + "\" has no terminal");
            GANTRY_CHECK(exec->io->resize(rows, columns));
            return Json::object();
        }
        return fail(Code::not_found, "exec \"" + exec_id + "\" is not running");
    }
    if (operation == "driver") {
        std::string table = member<std::string>(body, "table"), name = member<std::string>(body, "operation");
        if (!table.starts_with("runtime.") || table.starts_with("runtime.warm"))
            return fail(Code::invalid, "table \"" + table + "\" is not one that may be asked for");
        if (!driver_->offers(table))
            return fail(Code::unsupported, "driver \"" + driver_->name() + "\" does not offer \"" + table + "\"");
        Json request = member<Json>(body, "request", Json::object());
        if (!request.is_object()) return fail(Code::invalid, "\"request\" is not an object");
        request["id"] = spec_.id;
        GANTRY_TRY(driver::Reply answer, call(table.c_str(), name.c_str(), std::move(request)));
        return Json{{"result", std::move(answer.result)}};
    }
    return fail(Code::unsupported, "operation \"" + operation + "\" is not known to this monitor");
}

Result<Json> Monitor::start() {
    if (started_) return fail(Code::conflict, "container \"" + spec_.id + "\" is started already");
    GANTRY_FAILPOINT("monitor.before_start");
    auto done = call(GANTRY_RUNTIME, "start", {{"id", spec_.id}});
    if (!done) {
        start_failed_ = true;
        return std::move(done).error();
    }
    started_ = true;
    started_ns_ = wall_clock_ns();
    io_->start();
    GANTRY_FAILPOINT("monitor.after_start");
    return Json{{"started_ns", started_ns_}};
}

Result<Json> Monitor::exec(Message& message) {
    const Json& body = message.body;
    std::string exec_id = member<std::string>(body, "exec_id");
    bool terminal = member<bool>(body, "terminal");
    if (exec_id.empty()) return fail(Code::invalid, "an exec without an id");
    if (!started_) return fail(Code::precondition, "container \"" + spec_.id + "\" is not started");
    GANTRY_TRY(ClientSpec client, take_client(message, member<Json>(body, "attachment", Json::object()), ""));
    bool direct = client.has_raw() && !terminal;
    ProcessIo::Ends ends;
    std::vector<driver::NamedFd> fds;
    if (!terminal) {
        bool input = client.client && client.in, output = client.client && (client.out || client.err);
        GANTRY_TRY(ends, ProcessIo::make_pipes(input ? ProcessIo::Input::pipe : ProcessIo::Input::null,
                                               output ? ProcessIo::Output::pipe : ProcessIo::Output::null));
        // Pipes of the caller become the process's own: nothing is copied.
        if (client.raw[0]) ends.child_in = std::move(client.raw[0]);
        if (client.raw[1]) ends.child_out = std::move(client.raw[1]);
        if (client.raw[2]) ends.child_err = std::move(client.raw[2]);
        fds = {{"stdin", ends.child_in.get()}, {"stdout", ends.child_out.get()}, {"stderr", ends.child_err.get()}};
    }
    GANTRY_FAILPOINT("monitor.before_exec");
    GANTRY_TRY(driver::Reply made, call(GANTRY_RUNTIME, "exec",
                                        {{"id", spec_.id},
                                         {"process", member<Json>(body, "process", Json::object())},
                                         {"terminal", terminal},
                                         {"seccomp", member<std::string>(body, "seccomp")}},
                                        std::move(fds)));
    ends.child_in.reset();
    ends.child_out.reset();
    ends.child_err.reset();
    int pid = member<int>(made.result, "pid");
    if (pid <= 0)
        return fail(Code::internal, "driver \"" + driver_->name() + "\" gave no process for exec \"" + exec_id + "\"");
    auto running = std::make_unique<Exec>();
    running->id = exec_id;
    if (terminal) {
        ends.terminal = made.take_fd("terminal");
        if (!ends.terminal) log::error("the runtime driver gave no terminal", {{"exec", exec_id}});
    }
    if (!direct) {
        running->io = std::make_unique<ProcessIo>(loop_, std::move(ends), OnInputEnd::close, nullptr);
        running->io->attach(std::move(client));
        running->io->start();
    }
    execs_.emplace(pid, std::move(running));
    return Json{{"pid", pid}};
}

void Monitor::reply(Control& control, const Json& sequence, Result<Json> result) {
    Json body = result ? std::move(*result) : Json{{"error", error_to_json(result.error())}};
    body["seq"] = sequence;
    send(control, body);
}

void Monitor::send(Control& control, const Json& body) {
    if (control.dead) return;
    if (auto sent = send_message(control.fd.get(), body); !sent) {
        // It may connect again and is told then.
        log::warn("a control connection is given up", {{"container", spec_.id}, {"error", sent.error().text}});
        control.dead = true;
        control.watch->want(0);
    }
}

void Monitor::tell_all(const Json& body) {
    for (auto& control : controls_) send(*control, body);
}

void Monitor::driver_event(const Json& event) {
    if (member<std::string>(event, "type") != "oom") return;
    out_of_memory_ = true;
    tell_all({{"event", "oom"}, {"time_ns", wall_clock_ns()}});
}

Json Monitor::exec_event(const Finished& finished) {
    return {{"event", "exec_exited"},
            {"exec_id", finished.exec_id},
            {"exit_code", finished.exit_code},
            {"time_ns", finished.time_ns},
            {"number", finished.number}};
}

}  // namespace gantry::monitor
