#include "core/cli/terminal.hpp"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/base/files.hpp"
#include "core/base/text.hpp"

namespace gantry::cli {

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

bool can_draw(int fd) {
    const char* kind = std::getenv("TERM");
    return is_terminal(fd) && !(kind && std::string_view(kind) == "dumb");
}

bool wants_colour(int fd) {
    const char* no = std::getenv("NO_COLOR");
    return can_draw(fd) && !(no && *no);
}

std::optional<TerminalSize> terminal_size() {
    winsize size{};
    if (::ioctl(1, TIOCGWINSZ, &size) != 0 && ::ioctl(2, TIOCGWINSZ, &size) != 0 && ::ioctl(0, TIOCGWINSZ, &size) != 0)
        return std::nullopt;
    if (size.ws_col == 0 || size.ws_row == 0) return std::nullopt;
    return TerminalSize{size.ws_col, size.ws_row};
}

Result<std::string> read_hidden(std::string_view question) {
    sigset_t set, before_set;
    ::sigemptyset(&set);
    for (int signal : {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGTSTP}) ::sigaddset(&set, signal);
    ::sigprocmask(SIG_BLOCK, &set, &before_set);
    UniqueFd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    termios before{};
    if (!signals || ::tcgetattr(0, &before) != 0) {
        ::sigprocmask(SIG_SETMASK, &before_set, nullptr);
        return fail_errno("read the terminal's mode");
    }
    termios now = before;
    now.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(0, TCSAFLUSH, &now);
    (void)write_all(2, question);
    std::string line;
    bool cancelled = false;
    for (bool open = true; open;) {
        pollfd ready[2] = {{0, POLLIN, 0}, {signals.get(), POLLIN, 0}};
        if (::poll(ready, 2, -1) < 0 && errno != EINTR) break;
        signalfd_siginfo info{};
        if (ready[1].revents && ::read(signals.get(), &info, sizeof info) > 0) {
            cancelled = true;
            break;
        }
        char block[256];
        ssize_t n = ready[0].revents ? ::read(0, block, sizeof block) : 0;
        if (!ready[0].revents || (n < 0 && errno == EINTR)) continue;
        if (n > 0) line.append(block, static_cast<std::size_t>(n));
        open = n > 0 && !line.ends_with('\n') && line.size() < 4096;
    }
    ::tcsetattr(0, TCSAFLUSH, &before);
    ::sigprocmask(SIG_SETMASK, &before_set, nullptr);
    (void)write_all(2, "\n");
    if (cancelled) return fail(Code::cancelled, "cancelled");
    while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
    return line;
}

Result<void> RawMode::enter() {
    termios now{};
    if (::tcgetattr(0, &now) != 0) return fail_errno("read the terminal's mode");
    before_ = now;
    ::cfmakeraw(&now);
    if (::tcsetattr(0, TCSADRAIN, &now) != 0) return fail_errno("set the terminal to raw mode");
    return {};
}

void RawMode::restore() {
    if (before_) ::tcsetattr(0, TCSADRAIN, &*before_);
    before_.reset();
}

Result<DetachKeys> DetachKeys::parse(std::string_view text) {
    DetachKeys keys;
    if (text.empty()) text = "ctrl-p,ctrl-q";
    for (std::string_view key : split(text, ',')) {
        if (key.size() == 1) {
            keys.sequence_ += key;
            continue;
        }
        char c = key.starts_with("ctrl-") && key.size() == 6 ? key[5] : '\0';
        if (c >= 'a' && c <= 'z')
            keys.sequence_ += static_cast<char>(c - 'a' + 1);
        else if (c == '@')
            keys.sequence_ += '\0';
        else if (c >= '[' && c <= '_')
            keys.sequence_ += static_cast<char>(c - '[' + 27);
        else
            return fail(Code::invalid,
                        "invalid detach keys (" + std::string(text) + "): unknown key \"" + std::string(key) + "\"");
    }
    return keys;
}

std::string DetachKeys::filter(std::string_view input) {
    std::string out;
    for (char c : input) {
        if (detached_) break;
        if (c == sequence_[matched_]) {
            detached_ = ++matched_ == sequence_.size();
            continue;
        }
        // Not the sequence after all: what was held back goes on.
        out.append(sequence_, 0, matched_);
        matched_ = 0;
        if (c == sequence_[0]) {
            detached_ = ++matched_ == sequence_.size();
            continue;
        }
        out += c;
    }
    return out;
}

}  // namespace gantry::cli
