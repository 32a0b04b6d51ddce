#include "core/driver/verify.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/driver/kinds.hpp"

namespace gantry::driver {
namespace {

#if defined(__x86_64__)
constexpr unsigned machine = EM_X86_64;
constexpr const char* machine_name = "x86-64";
#elif defined(__aarch64__)
constexpr unsigned machine = EM_AARCH64;
constexpr const char* machine_name = "aarch64";
#else
#error "name this machine's ELF architecture here"
#endif

std::string octal(mode_t mode) {
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "%04o", static_cast<unsigned>(mode & 07777));
    return text.data();
}

// A directory that anyone but root can change would let the file be exchanged after it was checked. A sticky
// directory (/tmp) does not: an entry of root's can be renamed there by root alone.
Result<void> verify_directories(const std::string& file, std::string directory) {
    for (;;) {
        struct stat info {};
        if (::lstat(directory.c_str(), &info) != 0)
            return fail_errno("driver file \"" + file + "\": examine \"" + directory + "\"");
        if (info.st_uid != 0)
            return fail(Code::denied, "driver file \"" + file + "\" is in directory \"" + directory +
                                          "\", which is owned by uid " + std::to_string(info.st_uid) +
                                          "; it must be owned by root");
        if ((info.st_mode & 022) != 0 && (info.st_mode & S_ISVTX) == 0)
            return fail(Code::denied, "driver file \"" + file + "\" is in directory \"" + directory + "\" of mode " +
                                          octal(info.st_mode) + "; it must not be writable by group or others");
        if (directory == "/") return {};
        std::size_t slash = directory.rfind('/');
        directory.resize(slash == 0 ? 1 : slash);
    }
}

// The dynamic linker maps what the program headers say and touches it: a file that ends before would kill the process.
Result<void> verify_segments(const std::string& path, int fd, const Elf64_Ehdr& header, off_t size) {
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 || header.e_phnum > 64)
        return fail(Code::invalid, "driver file \"" + path + "\" has " + std::to_string(header.e_phnum) +
                                       " program headers of " + std::to_string(header.e_phentsize) +
                                       " bytes; 1 to 64 of " + std::to_string(sizeof(Elf64_Phdr)) + " are needed");
    std::vector<Elf64_Phdr> segments(header.e_phnum);
    const std::size_t bytes = segments.size() * sizeof(Elf64_Phdr);
    std::uint64_t needed = header.e_phoff + bytes;
    if (header.e_phoff < std::uint64_t{1} << 40 &&
        ::pread(fd, segments.data(), bytes, static_cast<off_t>(header.e_phoff)) == static_cast<ssize_t>(bytes))
        for (const Elf64_Phdr& segment : segments) {
            std::uint64_t end = 0;
            if (__builtin_add_overflow(segment.p_offset, segment.p_filesz, &end)) end = UINT64_MAX;
            needed = std::max(needed, end);
        }
    if (needed > static_cast<std::uint64_t>(size))
        return fail(Code::corrupt, "driver file \"" + path + "\" is cut off: it has " + std::to_string(size) +
                                       " bytes; its ELF headers need " + std::to_string(needed));
    return {};
}

Result<void> verify_elf(const std::string& path, int fd, off_t size) {
    Elf64_Ehdr header{};
    ssize_t n = ::pread(fd, &header, sizeof header, 0);
    if (n < 0) return fail_errno("read driver file \"" + path + "\"");
    if (static_cast<std::size_t>(n) < sizeof header || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return fail(Code::invalid, "driver file \"" + path + "\" is not an ELF file; a shared object is needed");
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
        return fail(Code::invalid, "driver file \"" + path + "\" has ELF class " +
                                       std::to_string(header.e_ident[EI_CLASS]) + " and byte order " +
                                       std::to_string(header.e_ident[EI_DATA]) + "; 64-bit little-endian is needed");
    if (header.e_machine != machine)
        return fail(Code::invalid, "driver file \"" + path + "\" is for ELF machine " +
                                       std::to_string(header.e_machine) + "; " + std::to_string(machine) + " (" +
                                       machine_name + ") is needed");
    if (header.e_type != ET_DYN)
        return fail(Code::invalid, "driver file \"" + path + "\" has ELF type " + std::to_string(header.e_type) +
                                       "; a shared object (" + std::to_string(ET_DYN) + ") is needed");
    return verify_segments(path, fd, header, size);
}

Result<void> read_name(const std::string& path, const std::string& file_name, VerifiedFile& out) {
    std::string_view stem = file_name;
    std::size_t dash = stem.find('-');
    if (stem.ends_with(".so") && dash != std::string_view::npos) {
        stem.remove_suffix(3);
        auto kind = kind_of(stem.substr(0, dash));
        std::string_view name = stem.size() > dash ? stem.substr(dash + 1) : std::string_view();
        if (kind && valid_driver_name(name)) {
            out.kind = *kind;
            out.name = name;
            return {};
        }
    }
    return fail(Code::invalid, "driver file \"" + path + "\" is named \"" + file_name +
                                   "\"; KIND-NAME.so is needed, KIND one of network, volume, layer, runtime, and NAME "
                                   "[a-z][a-z0-9_-]* of 32 bytes at most");
}

}  // namespace

Result<VerifiedFile> verify_file(const std::string& path) {
    if (path.empty() || path[0] != '/' || path.find('\0') != std::string::npos)
        return fail(Code::invalid, "driver file \"" + path + "\" is not an absolute path");
    std::size_t slash = path.rfind('/');
    std::string file_name = path.substr(slash + 1);
    VerifiedFile file;
    GANTRY_CHECK(read_name(path, file_name, file));

    std::unique_ptr<char, decltype(&std::free)> directory(
        ::realpath(slash == 0 ? "/" : path.substr(0, slash).c_str(), nullptr), &std::free);
    if (!directory) return fail_errno("find the directory of driver file \"" + path + "\"");
    file.path = std::string(directory.get()) + (directory.get()[1] ? "/" : "") + file_name;
    GANTRY_CHECK(verify_directories(path, directory.get()));

    // O_NONBLOCK: the open of a FIFO must not wait for a writer.
    UniqueFd fd(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd && errno == ELOOP)
        return fail(Code::denied, "driver file \"" + path + "\" is a symbolic link; a regular file is needed");
    if (!fd) return fail_errno("open driver file \"" + path + "\"");
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return fail_errno("examine driver file \"" + path + "\"");
    if (!S_ISREG(info.st_mode)) return fail(Code::denied, "driver file \"" + path + "\" is not a regular file");
    if (info.st_uid != 0)
        return fail(Code::denied, "driver file \"" + path + "\" is owned by uid " + std::to_string(info.st_uid) +
                                      "; it must be owned by root (uid 0)");
    if ((info.st_mode & 022) != 0)
        return fail(Code::denied, "driver file \"" + path + "\" has mode " + octal(info.st_mode) +
                                      "; it must not be writable by group or others");
    GANTRY_CHECK(verify_elf(path, fd.get(), info.st_size));
    file.device = info.st_dev;
    file.inode = info.st_ino;
    return file;
}

}  // namespace gantry::driver
