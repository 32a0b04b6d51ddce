// The stdio of one process of a container: its pipes or pty, the clients attached to it and, for the container's own
// process, the log.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/base/unix_socket.hpp"
#include "core/monitor/log_writer.hpp"
#include "core/monitor/port.hpp"

namespace gantry::monitor {

// A client that wants to be attached, as it came by message (PROTOCOL.md, ATTACHMENT).
struct ClientSpec {
    UniqueFd client;  // one socket for all, or:
    UniqueFd raw[3];  // ends of pipes for stdin, stdout, stderr; each may be absent
    bool in = false, out = false, err = false;
    std::string detach_keys, early;
    bool has_raw() const { return raw[0] || raw[1] || raw[2]; }
};
// Takes the attachment `json` and its descriptors (named PREFIX"client", PREFIX"early", PREFIX"stdin", ..) out of a message.
Result<ClientSpec> take_client(Message& message, const Json& json, const std::string& prefix);

// What happens to the process's stdin when a client's input ends.
enum class OnInputEnd { keep, close };

class ProcessIo {
public:
    struct Ends {
        UniqueFd in, out, err;  // our ends of the pipes
        UniqueFd terminal;      // or the pty's master
        // The other ends, for the driver's call; closed by the caller afterwards.
        UniqueFd child_in, child_out, child_err;
    };
    // Pipes for a process without a terminal; stdin is /dev/null unless `open_stdin`; stdout and stderr go to /dev/null
    // unless `open_output`.
    enum class Input { null, pipe };
    enum class Output { null, pipe };
    static Result<Ends> make_pipes(Input input, Output output);

    // `log` may be null.
    ProcessIo(Loop& loop, Ends ends, OnInputEnd on_input_end, LogWriter* log);
    ~ProcessIo();

    void attach(ClientSpec spec);
    // The process runs: from now on output is read and input is passed on.
    void start();
    Result<void> resize(int rows, int columns);
    bool has_terminal() const { return terminal_; }
    bool has_clients() const { return !clients_.empty(); }

    // After the end of the process: passes on all output that is there, without waiting; clients that read slowly get
    // it from memory.
    void drain();
    // No output can come any more.
    bool at_end() const { return !out_.open() && !err_.open(); }
    // Writes what the log holds back.
    void flush_log();
    // Output that comes later is thrown away, and so is input. Attachments stay.
    void settle();
    // settle, and ends all attachments once they have read what is kept for them.
    void finish();
    // Clients that have not read everything after finish(): their descriptors and the bytes.
    std::vector<std::pair<UniqueFd, std::string>> release_clients();
    // Frees clients that have gone. Call between batches of the loop.
    void sweep();
    // Gives the read buffer's pages back to the system; true when there were any.
    static bool release_buffer();

private:
    struct Client;
    struct Source {
        UniqueFd fd;
        LogStream stream = LogStream::out;
        std::unique_ptr<Watch> watch;
        std::size_t total = 0;
        bool grown = false;
        bool open() const { return static_cast<bool>(fd); }
    };
    enum class Took { bytes, nothing, end };
    Took read_source(Source& source, std::size_t limit);
    void source_ready(Source& source);
    void deliver(LogStream stream, std::string_view bytes);
    void client_readable(Client& client);
    void client_input(Client& client, std::string_view bytes);
    void input_ended(Client& client);
    void client_gone(Client& client);
    void end_client(Client& client);
    void close_source(Source& source);
    void open_source(Source& source, UniqueFd fd, LogStream stream);
    void write_stdin(std::string_view bytes);
    void stdin_ready(std::uint32_t events);
    void close_stdin();
    void update_flow();

    Loop& loop_;
    OnInputEnd on_input_end_;
    LogWriter* log_;
    bool terminal_ = false, started_ = false, finished_ = false, close_when_written_ = false, blocked_ = false;
    UniqueFd in_;  // stdin's pipe, or a duplicate of the pty's master
    std::unique_ptr<Watch> in_watch_;
    std::string in_pending_;
    Source out_, err_;
    std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace gantry::monitor
