// Archives of the tests: members one after another, as no tar program need write them.
#pragma once
#include <sys/stat.h>

#include <string>

#include "core/archive/tar_writer.hpp"

namespace gantry::plugin::test {

class Tar {
public:
    Tar()
        : writer_(archive::TarWriter::create([this](std::string_view bytes) -> Result<void> {
                      bytes_ += bytes;
                      return {};
                  }).value()) {}
    Tar& file(const std::string& name, const std::string& text, mode_t mode = 0644) {
        archive::Member member = make(name, S_IFREG | mode);
        member.size = static_cast<std::int64_t>(text.size());
        (void)writer_->member(member);
        (void)writer_->data(text);
        return *this;
    }
    Tar& directory(const std::string& name) {
        (void)writer_->member(make(name, S_IFDIR | 0755));
        return *this;
    }
    Tar& link(const std::string& name, const std::string& target) {
        archive::Member member = make(name, S_IFLNK | 0777);
        member.link = target;
        (void)writer_->member(member);
        return *this;
    }
    Tar& hard_link(const std::string& name, const std::string& target) {
        archive::Member member = make(name, S_IFREG | 0644);
        member.hard_link = target;
        (void)writer_->member(member);
        return *this;
    }
    std::string bytes() {
        (void)writer_->finish();
        return bytes_;
    }

private:
    static archive::Member make(const std::string& name, mode_t mode) {
        archive::Member member;
        member.name = name;
        member.mode = mode;
        return member;
    }
    std::string bytes_;
    std::unique_ptr<archive::TarWriter> writer_;
};

}  // namespace gantry::plugin::test
