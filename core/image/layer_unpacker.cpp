#include "core/image/layer_unpacker.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <gantry/driver.hpp>

#include "core/base/failpoint.hpp"
#include "core/base/ids.hpp"
#include "core/image/digest.hpp"

namespace gantry::image {
namespace {

constexpr std::string_view table = "layer/1";

// Reads, hashes and hands on, on a thread of its own. A driver that stops reading early does not stop the hashing: the
// digest is of the whole stream.
class Pump {
public:
    Pump(ByteSource& from, UniqueFd to, const std::function<void(std::int64_t)>& moved, const std::atomic<bool>* stop)
        : from_(from), to_(std::move(to)), moved_(moved), stop_(stop), thread_([this] { run(); }) {}
    Pump(const Pump&) = delete;
    Pump& operator=(const Pump&) = delete;
    ~Pump() {
        abandon_ = true;
        if (thread_.joinable()) thread_.join();
    }
    // The driver has failed: no further byte is wanted.
    void abandon() { abandon_ = true; }
    Result<std::string> finish() {
        thread_.join();
        if (failed_) return *failed_;
        return digest_;
    }
    std::int64_t bytes() const { return bytes_; }

private:
    void run() {
        sigset_t pipe;
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
        Sha256 hash;
        std::vector<char> buffer(256u << 10);
        while (!abandon_) {
            if (stop_ != nullptr && *stop_) {
                failed_ = fail(Code::cancelled, "unpacking was given up");
                break;
            }
            auto n = from_.read(buffer.data(), buffer.size());
            if (!n) {
                failed_ = std::move(n).error();
                break;
            }
            if (*n == 0) break;
            hash.update({buffer.data(), *n});
            bytes_ += static_cast<std::int64_t>(*n);
            pass_on({buffer.data(), *n});
            if (moved_) moved_(bytes_);
        }
        digest_ = hash.finish();
        to_.reset();
    }

    void pass_on(std::string_view bytes) {
        while (to_ && !bytes.empty()) {
            ssize_t n = ::write(to_.get(), bytes.data(), bytes.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return to_.reset();
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }

    ByteSource& from_;
    UniqueFd to_;
    const std::function<void(std::int64_t)>& moved_;
    const std::atomic<bool>* stop_;
    std::atomic<bool> abandon_ = false;
    std::optional<Error> failed_;
    std::string digest_;
    std::int64_t bytes_ = 0;
    std::thread thread_;  // last: it uses all the others
};

}  // namespace

Result<LayerUnpacker::Working> LayerUnpacker::apply(ByteSource& from, const std::string& parent,
                                                    const std::string& expected, Pins::Hold& hold,
                                                    const std::function<void(std::int64_t)>& moved,
                                                    const std::atomic<bool>* stop) {
    Working working{std::string(unpack_prefix) + new_id(), parent, "", 0};
    hold.add(working.key);
    GANTRY_CHECK(
        layers_.call(table, "prepare", Json{{"key", working.key}, {"parent", parent}, {"labels", Json::object()}}));
    ScopeGuard undo([&] { discard(working); });
    GANTRY_FAILPOINT("image.layer.prepared");

    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe");
    UniqueFd out(ends[0]), in(ends[1]);
    (void)::fcntl(out.get(), F_SETPIPE_SZ, 1 << 20);  // fewer switches between the two threads; a wish
    Pump pump(from, std::move(in), moved, stop);
    auto applied =
        layers_.call(table, "apply", Json{{"key", working.key}}, {{"tar", out.get()}}, driver::Deadline::longer);
    if (!applied) pump.abandon();
    out.reset();
    auto digest = pump.finish();
    if (!digest) return std::move(digest).error();
    if (!applied) return std::move(applied).error();
    if (!expected.empty() && *digest != expected) return wrong_content(*digest, expected);
    GANTRY_FAILPOINT("image.layer.applied");
    working.diff_id = *digest;
    working.tar_bytes = pump.bytes();
    undo.dismiss();
    return working;
}

Result<LayerUnpacker::Unpacked> LayerUnpacker::commit(const Working& working, const std::string& parent,
                                                      Pins::Hold& hold) {
    Unpacked unpacked{chain_id(parent, working.diff_id), working.diff_id, working.tar_bytes, 0};
    hold.add(unpacked.key);
    Json request{{"key", working.key}, {"name", unpacked.key}};
    if (parent != working.parent) request["parent"] = parent;
    // Longer than other calls: all of the layer goes to the disk.
    GANTRY_CHECK(layers_.call(table, "commit", std::move(request), {}, driver::Deadline::longer));
    GANTRY_FAILPOINT("image.layer.committed");
    GANTRY_TRY(unpacked.usage_bytes, usage(unpacked.key));
    return unpacked;
}

Result<LayerUnpacker::Unpacked> LayerUnpacker::unpack(ByteSource& from, const std::string& parent,
                                                      const std::string& expected, Pins::Hold& hold,
                                                      const std::function<void(std::int64_t)>& moved) {
    GANTRY_TRY(Working working, apply(from, parent, expected, hold, moved));
    ScopeGuard undo([&] { discard(working); });
    GANTRY_TRY(Unpacked unpacked, commit(working, parent, hold));
    undo.dismiss();
    return unpacked;
}

void LayerUnpacker::discard(const Working& working) { (void)layers_.call(table, "remove", Json{{"key", working.key}}); }

Error LayerUnpacker::wrong_content(const std::string& diff_id, const std::string& expected) {
    return fail(Code::invalid, "a layer's content has the digest \"" + diff_id + "\", not \"" + expected + "\"");
}

bool LayerUnpacker::can_rebase() const {
    const auto abilities = member<std::vector<std::string>>(layers_.description(), "abilities");
    return std::find(abilities.begin(), abilities.end(), "rebase") != abilities.end();
}

Result<bool> LayerUnpacker::has(const std::string& key) {
    GANTRY_TRY(auto reply, layers_.call(table, "stat", Json{{"key", key}}));
    return member<std::string>(reply.result, "state") == "committed";
}

Result<std::int64_t> LayerUnpacker::usage(const std::string& key) {
    GANTRY_TRY(auto reply, layers_.call(table, "usage", Json{{"key", key}}));
    return member<std::int64_t>(reply.result, "bytes");
}

Result<void> LayerUnpacker::remove(const std::string& key) {
    GANTRY_CHECK(layers_.call(table, "remove", Json{{"key", key}}, {}, driver::Deadline::longer));
    return {};
}

}  // namespace gantry::image
