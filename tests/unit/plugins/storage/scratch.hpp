// A directory of the test's own on a disk that has trusted attributes, gone at its end with whatever is mounted in it;
// and a stream behind a descriptor.
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gantry/unique_fd.hpp>

#define REQUIRE_ROOT() \
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: layers have owners, device nodes and trusted attributes"

namespace gantry::test {

class Scratch {
public:
    Scratch() {
        char name[] = "/tmp/gantry-storage-test-XXXXXX";
        path_ = ::mkdtemp(name);
    }
    ~Scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    const std::string& path() const { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    std::string make(const std::string& name) const {
        std::filesystem::create_directories(path_ + "/" + name);
        return path_ + "/" + name;
    }

private:
    std::string path_;
};

inline UniqueFd open_directory(const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// A descriptor from which `bytes` can be read.
inline UniqueFd stream_of(const std::string& bytes) {
    UniqueFd fd(::memfd_create("stream", MFD_CLOEXEC));
    for (std::size_t done = 0; done < bytes.size();)
        done += static_cast<std::size_t>(::write(fd.get(), bytes.data() + done, bytes.size() - done));
    ::lseek(fd.get(), 0, SEEK_SET);
    return fd;
}

inline std::string content_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_text(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
}

inline struct stat info_of(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) info.st_mode = 0;
    return info;
}
inline bool is_there(const std::string& path) { return info_of(path).st_mode != 0; }

}  // namespace gantry::test
