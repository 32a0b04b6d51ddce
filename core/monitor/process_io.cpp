#include "core/monitor/process_io.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <cstring>

#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/monitor/wire.hpp"

namespace gantry::monitor {
namespace {

constexpr std::size_t buffer_bytes = 256u << 10, attached_read_bytes = 64u << 10;
// Beyond this the process waits for the client that reads slowest.
constexpr std::size_t client_limit = 64u << 10;
constexpr std::size_t drain_limit = 4u << 20;
constexpr int large_pipe = 1 << 20;

// One for the whole process; its pages come with the first large read and go again when it is quiet.
alignas(4096) char buffer[buffer_bytes];
bool buffer_used = false;

Result<void> make_pipe(UniqueFd& reader, UniqueFd& writer) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe");
    reader.reset(ends[0]);
    writer.reset(ends[1]);
    return {};
}

void set_nonblocking(int fd) {
    if (int flags = ::fcntl(fd, F_GETFL); flags >= 0) ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

}  // namespace

struct ProcessIo::Client {
    bool in = false, out = false, err = false, framed = false;
    bool input_over = false, closing = false, dead = false;
    std::string detach_keys;
    std::size_t matched = 0;
    std::unique_ptr<Port> ports[3];
    Port* input = nullptr;
    Port* outputs[2] = {nullptr, nullptr};

    std::size_t pending() const {
        std::size_t sum = 0;
        for (const auto& port : ports)
            if (port) sum += port->pending();
        return sum;
    }
    Port* output(LogStream stream) const {
        if (closing || dead) return nullptr;
        return stream == LogStream::err ? (err ? outputs[1] : nullptr) : (out ? outputs[0] : nullptr);
    }
};

Result<ProcessIo::Ends> ProcessIo::make_pipes(Input input, Output output) {
    Ends ends;
    UniqueFd null;
    if (input == Input::null || output == Output::null) {
        GANTRY_TRY(null, open_file("/dev/null", O_RDWR));
    }
    if (input == Input::pipe) {
        GANTRY_CHECK(make_pipe(ends.child_in, ends.in));
    } else {
        GANTRY_TRY(ends.child_in, open_file("/dev/null", O_RDONLY));
    }
    if (output == Output::pipe) {
        GANTRY_CHECK(make_pipe(ends.out, ends.child_out));
        GANTRY_CHECK(make_pipe(ends.err, ends.child_err));
    } else {
        GANTRY_TRY(ends.child_out, open_file("/dev/null", O_WRONLY));
        GANTRY_TRY(ends.child_err, open_file("/dev/null", O_WRONLY));
    }
    return ends;
}

ProcessIo::ProcessIo(Loop& loop, Ends ends, OnInputEnd on_input_end, LogWriter* log)
    : loop_(loop), on_input_end_(on_input_end), log_(log), terminal_(static_cast<bool>(ends.terminal)) {
    if (terminal_) {
        in_.reset(::fcntl(ends.terminal.get(), F_DUPFD_CLOEXEC, 3));
        open_source(out_, std::move(ends.terminal), LogStream::out);
    } else {
        in_ = std::move(ends.in);
        open_source(out_, std::move(ends.out), LogStream::out);
        open_source(err_, std::move(ends.err), LogStream::err);
    }
    if (in_) {
        set_nonblocking(in_.get());
        in_watch_ = std::make_unique<Watch>(loop_, in_.get(), [this](std::uint32_t events) { stdin_ready(events); });
    }
}

ProcessIo::~ProcessIo() = default;

void ProcessIo::open_source(Source& source, UniqueFd fd, LogStream stream) {
    if (!fd) return;
    set_nonblocking(fd.get());
    source.fd = std::move(fd);
    source.stream = stream;
    source.watch =
        std::make_unique<Watch>(loop_, source.fd.get(), [this, &source](std::uint32_t) { source_ready(source); });
}

void ProcessIo::close_source(Source& source) {
    if (source.watch) source.watch->want(0);
    source.fd.reset();
}

void ProcessIo::start() {
    started_ = true;
    update_flow();
}

Result<void> ProcessIo::resize(int rows, int columns) {
    if (!terminal_) return fail(Code::unsupported, "the process has no terminal");
    if (rows < 0 || columns < 0 || rows > 65535 || columns > 65535)
        return fail(Code::invalid, "terminal size is out of range");
    winsize size{};
    size.ws_row = static_cast<unsigned short>(rows);
    size.ws_col = static_cast<unsigned short>(columns);
    if (!out_.open()) return fail(Code::not_found, "the process has ended");
    if (::ioctl(out_.fd.get(), TIOCSWINSZ, &size) != 0) return fail_errno("resize the terminal");
    return {};
}

void ProcessIo::attach(ClientSpec spec) {
    auto owned = std::make_unique<Client>();
    Client& client = *owned;
    client.in = spec.in;
    client.out = spec.out;
    client.err = spec.err && !terminal_;
    client.framed = !terminal_ && !spec.has_raw();
    client.detach_keys = terminal_ ? std::move(spec.detach_keys) : "";
    Port::Events events{[this, &client] { client_readable(client); }, [this] { update_flow(); },
                        [this, &client] { client_gone(client); }};
    if (spec.has_raw()) {
        for (int i = 0; i < 3; ++i) {
            if (!spec.raw[i]) continue;
            client.ports[i] = std::make_unique<Port>(loop_, std::move(spec.raw[i]),
                                                     i == 0 ? Port::Use::input : Port::Use::output, events);
        }
        client.input = client.ports[0].get();
        client.outputs[0] = client.ports[1].get();
        client.outputs[1] = client.ports[2].get();
        if (!client.input) client.in = false;
    } else if (spec.client) {
        client.ports[0] = std::make_unique<Port>(loop_, std::move(spec.client), Port::Use::both, events);
        client.input = client.outputs[0] = client.outputs[1] = client.ports[0].get();
    } else {
        return;
    }
    clients_.push_back(std::move(owned));
    if (client.in && !spec.early.empty()) client_input(client, spec.early);
    if (finished_) end_client(client);
    update_flow();
}

// --- output ---

ProcessIo::Took ProcessIo::read_source(Source& source, std::size_t limit) {
    for (;;) {
        ssize_t n = ::read(source.fd.get(), buffer, limit);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return Took::nothing;
        // A pty's master gives EIO when nobody has the other side open any more.
        if (n <= 0) return Took::end;
        auto size = static_cast<std::size_t>(n);
        if (size > 8192) buffer_used = true;
        source.total += size;
        if (source.total >= large_pipe && !source.grown) {
            // Only for those who write much: a large pipe costs kernel memory.
            source.grown = true;
            if (!terminal_) ::fcntl(source.fd.get(), F_SETPIPE_SZ, large_pipe);
        }
        deliver(source.stream, {buffer, size});
        // Many small writes in a row: a moment's rest lets the pipe fill, which costs both sides fewer switches.
        if (source.grown && size < buffer_bytes / 4 && clients_.empty() && !finished_) ::usleep(200);
        return Took::bytes;
    }
}

void ProcessIo::source_ready(Source& source) {
    if (!source.open()) return;
    if (read_source(source, clients_.empty() ? buffer_bytes : attached_read_bytes) == Took::end) close_source(source);
    if (!clients_.empty()) update_flow();
}

void ProcessIo::deliver(LogStream stream, std::string_view bytes) {
    if (finished_) return;
    if (log_) log_->write(stream, bytes);
    for (auto& client : clients_) {
        Port* port = client->output(stream);
        if (!port) continue;
        if (client->framed) {
            auto size = static_cast<std::uint32_t>(bytes.size());
            const char header[8] = {static_cast<char>(stream),
                                    0,
                                    0,
                                    0,
                                    static_cast<char>(size >> 24),
                                    static_cast<char>(size >> 16),
                                    static_cast<char>(size >> 8),
                                    static_cast<char>(size)};
            port->send({header, sizeof header}, bytes);
        } else {
            port->send({}, bytes);
        }
    }
}

void ProcessIo::drain() {
    for (Source* source : {&out_, &err_}) {
        for (std::size_t turns = 0; source->open() && turns < drain_limit / 4096; ++turns) {
            Took took = read_source(*source, attached_read_bytes);
            if (took == Took::end) close_source(*source);
            if (took != Took::bytes) break;
        }
    }
}

void ProcessIo::flush_log() {
    if (log_) log_->flush();
}

void ProcessIo::settle() {
    finished_ = true;
    close_stdin();
    update_flow();
}

void ProcessIo::finish() {
    settle();
    for (auto& client : clients_) end_client(*client);
    update_flow();
}

// --- input ---

void ProcessIo::client_readable(Client& client) {
    if (client.dead || client.closing || client.input_over || !client.input) return;
    char input[16384];
    ssize_t n = client.input->read(input, sizeof input);
    if (n < 0) return;
    if (n == 0) {
        input_ended(client);
    } else {
        client_input(client, {input, static_cast<std::size_t>(n)});
    }
    update_flow();
}

void ProcessIo::client_input(Client& client, std::string_view bytes) {
    if (client.detach_keys.empty()) return write_stdin(bytes);
    // Keys that may begin the sequence are held back until it is clear whether they do.
    std::string passed;
    for (char c : bytes) {
        if (c != client.detach_keys[client.matched]) {
            passed.append(client.detach_keys, 0, client.matched);
            client.matched = 0;
        }
        if (c != client.detach_keys[client.matched]) {
            passed += c;
        } else if (++client.matched == client.detach_keys.size()) {
            write_stdin(passed);
            return end_client(client);
        }
    }
    write_stdin(passed);
}

void ProcessIo::input_ended(Client& client) {
    if (client.input_over) return;
    client.input_over = true;
    if (client.matched) write_stdin(std::string_view(client.detach_keys).substr(0, client.matched));
    if (!in_) return;
    if (on_input_end_ == OnInputEnd::close && !terminal_) {
        close_when_written_ = true;
        if (in_pending_.empty()) close_stdin();
    } else {
        // As Docker: an attachment whose input ends, and which does not own the process's stdin, ends.
        end_client(client);
    }
}

void ProcessIo::client_gone(Client& client) {
    if (client.dead) return;
    for (const auto& port : client.ports)
        // One of several pipes has gone; the others go on.
        if (port && !port->gone() && (port->pending() || port.get() != client.input || !client.outputs[0]))
            return update_flow();
    client.dead = true;
    if (client.in && !client.input_over && on_input_end_ == OnInputEnd::close) input_ended(client);
    update_flow();
}

void ProcessIo::end_client(Client& client) {
    client.closing = true;
    client.input_over = true;
    if (client.input) client.input->want_input(false);
}

void ProcessIo::write_stdin(std::string_view bytes) {
    if (!in_ || close_when_written_ || bytes.empty()) return;
    if (in_pending_.empty()) {
        while (!bytes.empty() && started_) {
            ssize_t n = ::write(in_.get(), bytes.data(), bytes.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && errno == EAGAIN) break;
            if (n < 0) return close_stdin();
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    in_pending_.append(bytes);
}

void ProcessIo::stdin_ready(std::uint32_t events) {
    if (events & EPOLLOUT) {
        std::string pending = std::move(in_pending_);
        in_pending_ = std::string();
        bool closing = std::exchange(close_when_written_, false);
        write_stdin(pending);
        if (closing) {
            close_when_written_ = true;
            if (in_pending_.empty()) close_stdin();
        }
    } else if (events & (EPOLLERR | EPOLLHUP)) {
        close_stdin();
    }
    update_flow();
}

void ProcessIo::close_stdin() {
    if (in_watch_) in_watch_->want(0);
    in_.reset();
    in_pending_ = std::string();
}

// Decides who may read now: sources unless a client is slow, clients unless stdin is slow.
void ProcessIo::update_flow() {
    bool any_full = false;
    for (auto& client : clients_) {
        if (client->closing && !client->dead && client->pending() == 0) {
            for (auto& port : client->ports)
                if (port) port->close();
            client->dead = true;
        }
        if (client->dead) continue;
        if (client->pending() >= client_limit) any_full = true;
        if (blocked_ && !client->closing && client->pending() > 0) any_full = true;
        if (client->input && client->in)
            client->input->want_input(started_ && !client->input_over && in_pending_.empty());
    }
    blocked_ = any_full && !finished_;
    for (Source* source : {&out_, &err_})
        if (source->open()) source->watch->want(started_ && !blocked_ ? std::uint32_t{EPOLLIN} : 0u);
    if (in_) in_watch_->want(started_ && !in_pending_.empty() ? std::uint32_t{EPOLLOUT} : 0u);
}

std::vector<std::pair<UniqueFd, std::string>> ProcessIo::release_clients() {
    std::vector<std::pair<UniqueFd, std::string>> left;
    for (auto& client : clients_)
        for (auto& port : client->ports)
            if (port && !client->dead && !port->gone() && port->pending()) left.push_back(port->release());
    clients_.clear();
    return left;
}

void ProcessIo::sweep() {
    std::erase_if(clients_, [](const auto& client) { return client->dead; });
}

bool ProcessIo::release_buffer() {
    if (!buffer_used) return false;
    buffer_used = false;
    ::madvise(buffer, sizeof buffer, MADV_DONTNEED);
    return true;
}

}  // namespace gantry::monitor
