// Directories made ahead and deletions done later: making and deleting a directory costs 50 to 100 microseconds on
// ext4, a rename 15, so a container's start and end only rename. One thread, joined by the destructor.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::storage {

class Spares {
public:
    // `directory`: where empty layers wait, `trash`: where removed ones do; borrowed. What an earlier run left in
    // either is deleted by and by.
    Spares(int directory, int trash);
    ~Spares();
    Spares(const Spares&) = delete;
    Spares& operator=(const Spares&) = delete;

    // The name, within `directory`, of a fresh {fs, work}, now the caller's; "" when none is ready.
    std::string take();
    // There is something new in the trash.
    void deleted();
    // Deletes everything in the trash now, and gives the bytes that were freed since the last time it was asked.
    Result<std::int64_t> empty_trash();

private:
    void run();
    Result<void> make_one();
    // A part of the trash; false when there was nothing left.
    Result<bool> delete_some();

    int directory_, trash_;
    std::mutex mutex_;  // the members below
    std::condition_variable wake_;
    std::deque<std::string> ready_;
    bool stop_ = false, dirty_ = true;
    std::int64_t serial_ = 0, freed_ = 0;
    std::mutex deleting_;  // one deletes at a time
    std::thread thread_;   // last: it uses all the others
};

}  // namespace gantry::storage
