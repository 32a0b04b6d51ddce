// A directory for one test, and short ways to fill and read it.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "core/base/files.hpp"
#include "core/build/value.hpp"

namespace gantry::build {

class Scratch {
public:
    Scratch() {
        char name[] = "/tmp/gantry-build-test-XXXXXX";
        path_ = ::mkdtemp(name);
    }
    ~Scratch() { (void)remove_tree(path_); }
    const std::string& path() const { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    UniqueFd open(const std::string& name = "") const {
        return UniqueFd(::open((path_ + "/" + name).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    void directory(const std::string& name) { EXPECT_TRUE(make_directories(path_ + "/" + name, 0755)); }
    void file(const std::string& name, const std::string& content = "", mode_t mode = 0644) {
        if (auto slash = name.rfind('/'); slash != std::string::npos) directory(name.substr(0, slash));
        EXPECT_TRUE(write_file(path_ + "/" + name, content, mode));
        ::chmod((path_ + "/" + name).c_str(), mode);
    }
    void link(const std::string& name, const std::string& target) {
        if (auto slash = name.rfind('/'); slash != std::string::npos) directory(name.substr(0, slash));
        EXPECT_EQ(::symlink(target.c_str(), (path_ + "/" + name).c_str()), 0);
    }
    // "<none>" for one that is not there.
    std::string read(const std::string& name) const {
        auto text = read_file(path_ + "/" + name);
        return text ? *text : "<none>";
    }
    bool exists(const std::string& name) const {
        struct stat info {};
        return ::lstat((path_ + "/" + name).c_str(), &info) == 0;
    }
    mode_t mode(const std::string& name) const {
        struct stat info {};
        return ::lstat((path_ + "/" + name).c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
    }

private:
    std::string path_;
};

class PlainTree final : public Tree {
public:
    explicit PlainTree(UniqueFd root) : root_(std::move(root)) {}
    int root() const override { return root_.get(); }

private:
    UniqueFd root_;
};

}  // namespace gantry::build
