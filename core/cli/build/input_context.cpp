#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "core/cli/build/context.hpp"
#include "core/cli/build/tree_writer.hpp"
#include "core/cli/child.hpp"
#include "core/cli/terminal.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t dockerfile_limit = 512u << 10, block_size = 256u << 10;

// What an archive is compressed with, by its first bytes, and the program that takes it apart.
struct Compression {
    std::string_view magic;
    const char* program;
};
constexpr Compression compressions[] = {{"\x1f\x8b", "gzip"},
                                        {"BZh", "bzip2"},
                                        {std::string_view("\xfd"
                                                          "7zXZ\0",
                                                          6),
                                         "xz"},
                                        {"\x28\xb5\x2f\xfd", "zstd"}};

// A piece of standard input; "" at its end.
Result<std::string> read_input(Interrupt& interrupt, std::size_t limit = block_size) {
    std::string block(limit, '\0');
    for (;;) {
        GANTRY_CHECK(interrupt.wait(0, POLLIN));
        ssize_t n = ::read(0, block.data(), block.size());
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n < 0) return fail_errno("read standard input");
        block.resize(static_cast<std::size_t>(n));
        return block;
    }
}

// Runs what comes through the program; hands what it writes to the reader.
Result<void> unpack_compressed(std::string pending, const char* program, TarReader& reader, Interrupt& interrupt) {
    const std::string what = std::string("decompress the context with \"") + program + "\"";
    GANTRY_TRY(Child child, Child::start({program, "-dc"}, Child::Streams::both, -1, Child::Words::kept).context(what));
    bool input_open = true;
    for (;;) {
        enum { out, in, source, signal, count };
        const bool writing = child.input() && !pending.empty();
        pollfd ready[count] = {{child.output().get(), POLLIN, 0},
                               {writing ? child.input().get() : -1, POLLOUT, 0},
                               {input_open && pending.empty() ? 0 : -1, POLLIN, 0},
                               {interrupt.fd(), POLLIN, 0}};
        if (::poll(ready, count, -1) < 0 && errno != EINTR) return fail_errno("poll");
        if (ready[signal].revents && interrupt.take() != 0) return fail(Code::cancelled, "cancelled");
        if (ready[in].revents) {
            ssize_t n = ::write(child.input().get(), pending.data(), pending.size());
            if (n > 0) pending.erase(0, static_cast<std::size_t>(n));
            if (n < 0 && errno != EAGAIN && errno != EINTR) {
                // It has given up; its exit code says so.
                child.input().reset();
                pending.clear();
                input_open = false;
            }
        }
        if (ready[source].revents) {
            GANTRY_TRY(pending, read_input(interrupt));
            if (pending.empty()) {
                input_open = false;
                child.input().reset();
            }
        }
        if (!ready[out].revents) continue;
        std::string block(block_size, '\0');
        ssize_t n = ::read(child.output().get(), block.data(), block.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        GANTRY_CHECK(reader.push(std::string_view(block.data(), static_cast<std::size_t>(n))));
    }
    GANTRY_TRY(int code, child.wait(10000).context(what));
    if (code != 0) {
        const std::string words = child.words();
        return fail(Code::corrupt, what + ": it ended with exit code " + std::to_string(code) +
                                       (words.empty() ? "" : " (" + words + ")"));
    }
    return {};
}

Result<void> unpack(std::string begin, const char* program, UniqueFd root, Interrupt& interrupt) {
    TreeWriter writer(std::move(root), TreeWriter::Bits::all);
    TarReader reader({[&](const TarEntry& entry) { return writer.entry(entry); },
                      [&](std::string_view bytes) { return writer.data(bytes); }, [&] { return writer.end(); }});
    if (program) {
        GANTRY_CHECK(unpack_compressed(std::move(begin), program, reader, interrupt));
    } else {
        while (!begin.empty()) {
            GANTRY_CHECK(reader.push(begin));
            GANTRY_TRY(begin, read_input(interrupt));
        }
    }
    GANTRY_CHECK(reader.finish());
    return writer.finish();
}

}  // namespace

Result<std::string> read_input_dockerfile(Interrupt& interrupt) {
    if (is_terminal(0))
        return fail(Code::invalid, "the Dockerfile is to come from standard input, which is a terminal");
    std::string text;
    for (;;) {
        GANTRY_TRY(std::string block, read_input(interrupt));
        if (block.empty()) return text;
        text += block;
        if (text.size() > dockerfile_limit)
            return fail(Code::exhausted, "the Dockerfile on standard input is larger than 512 KiB");
    }
}

Result<InputContext> read_input_context(UniqueFd root, Interrupt& interrupt) {
    if (is_terminal(0)) return fail(Code::invalid, "the context is to come from standard input, which is a terminal");
    std::string begin;
    while (begin.size() < 512) {
        GANTRY_TRY(std::string block, read_input(interrupt));
        if (block.empty()) break;
        begin += block;
    }
    if (begin.empty())
        return fail(Code::invalid, "standard input is empty: want a Dockerfile or an archive of the context");
    const char* program = nullptr;
    for (const Compression& known : compressions)
        if (begin.starts_with(known.magic)) program = known.program;
    if (program || looks_like_tar(begin)) {
        GANTRY_CHECK(
            unpack(std::move(begin), program, std::move(root), interrupt).context("the context on standard input"));
        return InputContext{true, {}};
    }
    GANTRY_TRY(std::string rest, read_input_dockerfile(interrupt));
    begin += rest;
    if (begin.find('\0') != std::string::npos)
        return fail(
            Code::corrupt,
            "standard input is neither a Dockerfile nor an archive (tar, alone or with gzip, bzip2, xz or zstd)");
    return InputContext{false, std::move(begin)};
}

}  // namespace gantry::cli
