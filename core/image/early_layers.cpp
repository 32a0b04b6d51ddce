#include "core/image/early_layers.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <gantry/driver.hpp>

#include "core/base/files.hpp"
#include "core/image/digest.hpp"

namespace gantry::image {
namespace {

// An archive may hold many more members than its images have layers.
constexpr std::size_t max_early = 128;
constexpr auto report_every = std::chrono::milliseconds(100);

bool looks_like_layer(std::string_view head) {
    constexpr std::size_t magic_at = 257;
    if (head.starts_with("\x1f\x8b") || head.starts_with("\x28\xb5\x2f\xfd")) return true;
    return head.size() > magic_at && head.substr(magic_at).starts_with("ustar");
}

}  // namespace

// The bytes of a member as they come. Its end is given only once the member is whole and good.
class EarlyLayers::Member::Source final : public ByteSource {
public:
    Source(std::shared_ptr<Member> member, UniqueFd fd) : member_(std::move(member)), fd_(std::move(fd)) {}
    Result<std::size_t> read(char* data, std::size_t size) override {
        EarlyLayers& all = member_->all_;
        std::int64_t available = 0;
        {
            std::unique_lock lock(all.mutex_);
            all.changed_.wait(lock,
                              [&] { return all.stop_ || member_->size_ > offset_ || member_->file_ != File::growing; });
            if (all.stop_ || member_->file_ == File::bad) return fail(Code::cancelled, "unpacking was given up");
            available = member_->size_ - offset_;
        }
        if (available == 0) return std::size_t{0};
        const std::size_t wanted = std::min(size, static_cast<std::size_t>(available));
        for (;;) {
            const ssize_t n = ::pread(fd_.get(), data, wanted, offset_);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return fail_errno("read a layer of the archive");
            if (n == 0) return fail(Code::corrupt, "a layer of the archive was cut short");
            offset_ += n;
            return static_cast<std::size_t>(n);
        }
    }

private:
    const std::shared_ptr<Member> member_;
    UniqueFd fd_;
    std::int64_t offset_ = 0;
};

void EarlyLayers::Member::grown(std::int64_t size) {
    {
        std::lock_guard lock(all_.mutex_);
        size_ = size;
    }
    all_.changed_.notify_all();
}

void EarlyLayers::Member::ended(bool good) {
    {
        std::lock_guard lock(all_.mutex_);
        if (file_ == File::growing) file_ = good ? File::whole : File::bad;
    }
    all_.changed_.notify_all();
}

EarlyLayers::EarlyLayers(LayerUnpacker unpacker, Pins& pins, std::function<bool(const std::string& digest)> known,
                         std::size_t jobs)
    : unpacker_(unpacker), pins_(pins), known_(std::move(known)), jobs_(jobs == 0 ? LayerSet::default_jobs() : jobs) {}

EarlyLayers::~EarlyLayers() {
    stop();
    for (std::thread& thread : threads_) thread.join();
    for (auto& [path, member] : members_)
        if (member->outcome_ && *member->outcome_) unpacker_.discard((**member->outcome_).working);
}

void EarlyLayers::stop() {
    {
        std::lock_guard lock(mutex_);
        stop_ = true;
    }
    changed_.notify_all();
}

std::shared_ptr<SpoolWatch::Member> EarlyLayers::begin(const std::string& name, const std::string& path,
                                                       std::string_view head) {
    if (begun_ >= max_early || !looks_like_layer(head)) return nullptr;
    // A driver that cannot put a layer on its parent later has to have the parent first.
    if (!unpacker_.can_rebase()) return nullptr;
    if (name.starts_with("blobs/sha256/"))
        if (const std::string digest = "sha256:" + name.substr(name.rfind('/') + 1);
            valid_digest(digest) && known_(digest))
            return nullptr;
    auto member = std::make_shared<Member>(*this, path);
    {
        std::lock_guard lock(mutex_);
        ++begun_;
        members_[path] = member;
        queue_.push_back(member);
        if (idle_ < queue_.size() && threads_.size() < jobs_) threads_.emplace_back([this] { work(); });
    }
    changed_.notify_all();
    return member;
}

void EarlyLayers::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        ++idle_;
        changed_.wait(lock, [&] { return stop_ || !queue_.empty(); });
        --idle_;
        if (stop_) return;
        const std::shared_ptr<Member> member = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        auto outcome = unpack(member);
        lock.lock();
        member->outcome_ = std::move(outcome);
        changed_.notify_all();
    }
}

Result<UnpackedLayer> EarlyLayers::unpack(const std::shared_ptr<Member>& member) {
    GANTRY_TRY(UniqueFd fd, open_file(member->path_, O_RDONLY | O_NOFOLLOW));
    GANTRY_TRY(auto plain, decompressed(std::make_unique<Member::Source>(member, std::move(fd))));
    UnpackedLayer unpacked{{}, std::make_unique<Pins::Hold>(pins_)};
    const std::function<void(std::int64_t)> moved = [&](std::int64_t bytes) {
        std::lock_guard lock(mutex_);
        member->moved_ = bytes;
    };
    GANTRY_TRY(unpacked.working, unpacker_.apply(*plain, "", "", *unpacked.pinned, moved, &stop_));
    return unpacked;
}

std::optional<Result<UnpackedLayer>> EarlyLayers::take(const std::string& path,
                                                       const std::function<void(std::int64_t)>& moved) {
    std::unique_lock lock(mutex_);
    auto found = members_.find(path);
    if (found == members_.end()) return std::nullopt;
    const std::shared_ptr<Member> member = found->second;
    while (!member->outcome_) {
        if (stop_) return fail(Code::cancelled, "unpacking was given up");
        changed_.wait_for(lock, report_every);
        const std::int64_t bytes = member->moved_;
        lock.unlock();
        if (moved && bytes > 0) moved(bytes);
        lock.lock();
    }
    // Of two that have waited one gets it.
    if (members_.erase(path) == 0) return std::nullopt;
    // A driver's patience may end before a slow archive does. Now it is here.
    if (!*member->outcome_ && member->outcome_->error().code == Code::deadline) return std::nullopt;
    return std::move(member->outcome_);
}

}  // namespace gantry::image
