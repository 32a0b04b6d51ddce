// Names in use by work that no record shows yet (a layer being unpacked over, a blob being linked), so that garbage
// collection lets them be; and the reverse: who pins a name that is just being deleted waits for the end of that.
#pragma once
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace gantry::image {

class Pins {
public:
    // Holds its names until destroyed.
    class Hold {
    public:
        explicit Hold(Pins& pins) : pins_(pins) {}
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;
        ~Hold();
        // Twice is once.
        void add(const std::string& name);

    private:
        Pins& pins_;
        std::vector<std::string> names_;
    };
    // Claims `name` for deletion; false while anyone holds it, besides `own` holds of the caller.
    bool begin_delete(const std::string& name, std::size_t own = 0);
    void end_delete(const std::string& name);

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::multiset<std::string> held_;
    std::set<std::string> deleting_;
};

}  // namespace gantry::image
