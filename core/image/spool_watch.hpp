// Who watches the members of an image archive come in.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace gantry::image {

class SpoolWatch {
public:
    // A file that grows. One thread tells of it; it must not be told of after the watch is gone.
    class Member {
    public:
        virtual ~Member() = default;
        // So many bytes are in the file now.
        virtual void grown(std::int64_t size) = 0;
        // It is complete, and has the digest that its name says, if it says one; or it has turned out to be bad.
        virtual void ended(bool good) = 0;
    };
    virtual ~SpoolWatch() = default;

    // The member `name` of the archive is being written to the file `path` and begins with `head`, 512 bytes. nullptr:
    // it is of no interest.
    virtual std::shared_ptr<Member> begin(const std::string& name, const std::string& path, std::string_view head) = 0;
};

}  // namespace gantry::image
