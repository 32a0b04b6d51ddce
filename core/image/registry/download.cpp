#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/image/registry/downloads.hpp"

namespace gantry::image::registry {
namespace {

// So much shows that a connection is worth going on with.
constexpr std::int64_t worthwhile_bytes = 64 << 10;

Error nobody() { return fail(Code::cancelled, "cancelled"); }

}  // namespace

class DownloadReader final : public ByteSource {
public:
    DownloadReader(std::shared_ptr<Download> download, std::function<bool()> cancelled)
        : download_(std::move(download)), cancelled_(std::move(cancelled)) {
        std::lock_guard lock(download_->mutex_);
        generation_ = download_->generation_;
    }
    Result<std::size_t> read(char* data, std::size_t size) override {
        Download& from = *download_;
        std::int64_t available = 0;
        {
            std::unique_lock lock(from.mutex_);
            for (;;) {
                if (cancelled_ && cancelled_()) return nobody();
                if (from.generation_ != generation_) return fail(Code::retry_later, "the download has begun anew");
                if (from.state_ == Download::State::failed) return *from.error_;
                available = from.received_ - offset_;
                if (from.state_ == Download::State::done || available > 0) break;
                from.changed_.wait_for(lock, std::chrono::milliseconds(100));
            }
        }
        if (available == 0) return std::size_t{0};
        const std::size_t n = std::min(size, static_cast<std::size_t>(available));
        const ssize_t got = ::pread(from.fd(), data, n, offset_);
        if (got < 0) return fail_errno("read a download");
        if (got == 0) return fail(Code::corrupt, "a download's file is cut short");
        offset_ += got;
        return static_cast<std::size_t>(got);
    }

private:
    const std::shared_ptr<Download> download_;
    const std::function<bool()> cancelled_;
    std::uint64_t generation_ = 0;
    std::int64_t offset_ = 0;
};

std::unique_ptr<ByteSource> Download::reader(std::shared_ptr<Download> self, std::function<bool()> cancelled) {
    return std::make_unique<DownloadReader>(std::move(self), std::move(cancelled));
}

Result<void> Download::wait(const std::function<bool()>& cancelled) {
    std::unique_lock lock(mutex_);
    for (;;) {
        if (state_ == State::done) return {};
        if (state_ == State::failed) return *error_;
        if (cancelled && cancelled()) return nobody();
        changed_.wait_for(lock, std::chrono::milliseconds(100));
    }
}

void Download::set_state(State state) {
    {
        std::lock_guard lock(mutex_);
        state_ = state;
    }
    changed_.notify_all();
}

void Download::end(std::optional<Error> error) {
    {
        std::lock_guard lock(mutex_);
        state_ = error ? State::failed : State::done;
        error_ = std::move(error);
    }
    changed_.notify_all();
}

Download::~Download() {
    if (fd_) partials_.let_go(descriptor_.digest);
}

void Download::run() {
    auto fetched = fetch();
    if (!fetched && fd_) {
        // What is wrong is of no use to anyone, and a full disk has no room for half a blob.
        if (fetched.error().code == Code::invalid || fetched.error().system_errno == ENOSPC)
            partials_.discard(descriptor_.digest);
        fd_.reset();
        partials_.let_go(descriptor_.digest);
    }
    end(fetched ? std::nullopt : std::optional(std::move(fetched).error()));
}

// One that nobody wanted any more may be just about to let go of the file.
Result<void> Download::open() {
    while (!unwanted() && !sources_->cancelled()) {
        auto fd = partials_.take(descriptor_.digest);
        if (fd) {
            fd_ = std::move(*fd);
            return {};
        }
        if (fd.error().code != Code::busy) return std::move(fd).error();
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return nobody();
}

Result<void> Download::resume() {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return fail_errno("look at a partial download");
    if (info.st_size > descriptor_.size) return begin_anew();
    std::vector<char> buffer(512u << 10);
    std::int64_t at = 0;
    while (at < info.st_size) {
        const ssize_t n = ::pread(fd_.get(), buffer.data(), buffer.size(), at);
        if (n <= 0) return begin_anew();
        hash_.update({buffer.data(), static_cast<std::size_t>(n)});
        at += n;
        if (unwanted()) return nobody();
    }
    resumed_ = at > 0;
    received_ = at;
    if (::lseek(fd_.get(), at, SEEK_SET) < 0) return fail_errno("go on with a partial download");
    return {};
}

Result<void> Download::begin_anew() {
    if (::ftruncate(fd_.get(), 0) != 0) return fail_errno("empty a partial download");
    if (::lseek(fd_.get(), 0, SEEK_SET) < 0) return fail_errno("empty a partial download");
    hash_ = Sha256();
    resumed_ = false;
    std::lock_guard lock(mutex_);
    received_ = 0;
    ++generation_;
    return {};
}

Result<void> Download::take(std::string_view bytes) {
    if (unwanted()) return nobody();
    if (skip_ > 0) {
        const std::size_t known = std::min(bytes.size(), static_cast<std::size_t>(skip_));
        skip_ -= static_cast<std::int64_t>(known);
        bytes.remove_prefix(known);
    }
    if (received_ + static_cast<std::int64_t>(bytes.size()) > descriptor_.size)
        return fail(Code::invalid,
                    "blob " + descriptor_.digest + ": has more than " + std::to_string(descriptor_.size) + " bytes");
    if (bytes.empty()) return {};
    GANTRY_CHECK(write_all(fd_.get(), bytes));
    hash_.update(bytes);
    GANTRY_FAILPOINT("registry.download.written");
    {
        std::lock_guard lock(mutex_);
        received_ += static_cast<std::int64_t>(bytes.size());
    }
    changed_.notify_all();
    return {};
}

bool Download::pause(std::int64_t ms) {
    const std::int64_t until = monotonic_ns() + ms * 1'000'000;
    retry_at_ns_ = until;
    set_state(State::retrying);
    while (monotonic_ns() < until) {
        if (unwanted() || sources_->cancelled()) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    set_state(State::running);
    return true;
}

Result<void> Download::fetch() {
    GANTRY_CHECK(open());
    GANTRY_CHECK(resume());
    set_state(State::running);
    std::optional<RetryPlan> plan;
    while (true) {
        while (received_ < descriptor_.size) {
            if (unwanted() || sources_->cancelled()) return nobody();
            auto remote = sources_->get(source_);
            if (!remote) {
                if (++source_ >= sources_->count()) return std::move(remote).error();
                continue;
            }
            if (!plan) plan.emplace((*remote)->session().transport().settings().attempts);
            const std::int64_t before = received_;
            skip_ = 0;
            Outcome outcome = (*remote)->blob(
                descriptor_, before,
                [&]() -> Result<void> {
                    skip_ = before;
                    return {};
                },
                [this](std::string_view bytes) { return take(bytes); });
            if (received_ >= descriptor_.size && !outcome.error) break;
            if (received_ - before >= worthwhile_bytes) plan->progress();
            const int status = outcome.response.status;
            const bool passing = outcome.error
                                     ? outcome.failure == Failure::broken || outcome.failure == Failure::unreachable
                                     : status == 200 || status == 206 || is_transient_status(status);
            if (outcome.error && outcome.error->code == Code::cancelled) return nobody();
            std::optional<std::int64_t> ms;
            if (passing) ms = plan->next(outcome.error ? std::string() : outcome.response.header("retry-after"));
            if (ms) {
                if (!pause(*ms)) return nobody();
                continue;
            }
            Error error =
                outcome.error ? std::move(*outcome.error)
                : status == 200 || status == 206 || status == 416
                    ? fail(Code::invalid, "blob " + descriptor_.digest + ": has " + std::to_string(received_) +
                                              " bytes, not " + std::to_string(descriptor_.size))
                    : refusal(outcome.response, "blob " + descriptor_.digest);
            // A full disk is no other with another source.
            const bool ours = error.system_errno != 0;
            if (ours || ++source_ >= sources_->count()) return error;
            log::debug("a blob is asked for elsewhere", {{"blob", descriptor_.digest}, {"reason", error.text}});
            if (error.code == Code::invalid) GANTRY_CHECK(begin_anew());
        }
        set_state(State::checking);
        const std::string digest = hash_.finish();
        if (digest == descriptor_.digest) return {};
        Error wrong =
            fail(Code::invalid, "blob " + descriptor_.digest + ": the registry sends bytes with the digest " + digest);
        // The fault may be in what was there before: once more from the beginning, or from the next source.
        const bool again = resumed_ || ++source_ < sources_->count();
        GANTRY_CHECK(begin_anew());
        if (!again) return wrong;
        set_state(State::running);
    }
}

}  // namespace gantry::image::registry
