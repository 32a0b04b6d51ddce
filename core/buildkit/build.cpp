#include "core/buildkit/build.hpp"

#include <chrono>

#include "core/base/clock.hpp"
#include "core/base/ids.hpp"
#include "core/base/text.hpp"
#include "core/build/dockerignore.hpp"
#include "core/buildkit/answers.hpp"
#include "core/buildkit/image_name.hpp"
#include "core/buildkit/text_member.hpp"

namespace gantry::buildkit {
namespace {

// A call of gRPC does not tell that its client has left; it can only be asked.
constexpr auto look_every = std::chrono::milliseconds(100);
constexpr int session_wait_ms = 10'000;
constexpr std::size_t most_asked = 64, most_past = 16, most_waiting_events = 20'000;

Error left() { return fail(Code::cancelled, "context canceled"); }

int line_of(const Json& object, const char* key) {
    auto found = object.find(key);
    return found != object.end() && found->is_number_integer() ? found->get<int>() : 0;
}

std::map<std::string, std::string> exporter_answer(const Json& result) {
    std::map<std::string, std::string> answer;
    auto metadata = result.find("metadata");
    if (metadata != result.end() && metadata->is_object())
        for (const auto& [key, value] : metadata->items())
            if (value.is_string()) answer[key] = value;
    std::vector<std::string> names = texts_of(result, "tags");
    for (std::string& name : names) name = full_name(name);
    if (!names.empty()) answer["image.name"] = join(names, ",");
    // Clients print this as the image's id where there is no other.
    const std::string id = text_of(result, "id");
    if (!id.empty() && !answer.contains("containerimage.digest")) answer["containerimage.digest"] = id;
    return answer;
}

// Calls `then` as soon as `cancelled` says so.
class Lookout {
public:
    Lookout(const std::function<bool()>& cancelled, std::function<void()> then) {
        thread_ = std::thread([this, &cancelled, then = std::move(then)] {
            std::unique_lock lock(mutex_);
            while (!changed_.wait_for(lock, look_every, [&] { return over_; })) {
                if (!cancelled()) continue;
                seen_ = true;
                then();
                return;
            }
        });
    }
    ~Lookout() {
        {
            std::lock_guard lock(mutex_);
            over_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }
    bool seen() {
        std::lock_guard lock(mutex_);
        return seen_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool over_ = false, seen_ = false;
    std::thread thread_;
};

}  // namespace

Progress Build::new_progress() { return Progress(new_id()); }

Result<std::string> Build::ask(Asked asked) {
    std::lock_guard lock(mutex_);
    if (ended_) return fail(Code::not_found, "the build has ended");
    if (asked_.size() >= most_asked) return fail(Code::exhausted, "the build asks for too many results");
    const std::string name = std::to_string(asked_.size() + 1);
    asked_[name] = std::move(asked);
    return name;
}

Result<void> Build::give_back(const std::string& name) {
    std::lock_guard lock(mutex_);
    if (!name.empty() && !asked_.contains(name))
        return fail(Code::not_found, "there is no result " + quote_json(name.substr(0, 100)) + " of the build");
    returned_ = name;
    changed_.notify_all();
    return {};
}

void Build::give_up(Failure failure) {
    std::lock_guard lock(mutex_);
    given_up_ = std::move(failure);
    changed_.notify_all();
}

Result<Asked> Build::wait_for_result(const std::function<bool()>& cancelled, Failure* failure) {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, look_every, [&] { return returned_ || given_up_; }))
        if (cancelled()) return left();
    if (given_up_) {
        *failure = *given_up_;
        return fail(Code::invalid, given_up_->message);
    }
    // A build function that ends without a result wanted to know something, no more.
    return returned_->empty() ? Asked{} : asked_[*returned_];
}

Result<std::map<std::string, std::string>> Build::run(std::optional<Asked> asked, Sessions& sessions,
                                                      const OpenBuild& open, const std::function<bool()>& cancelled,
                                                      Failure* failure) {
    auto done = [&]() -> Result<std::map<std::string, std::string>> {
        if (!asked) {
            GANTRY_TRY(asked, wait_for_result(cancelled, failure));
            std::lock_guard lock(mutex_);
            if (returned_ && returned_->empty()) return std::map<std::string, std::string>();
        }
        if (wish_.exporters.empty())
            return fail(Code::unsupported,
                        "a build without an output is not supported over BuildKit: it makes an image");
        GANTRY_TRY(auto session, sessions.find(session_, session_wait_ms));
        FileSync files(session);
        GANTRY_TRY(UniqueFd socket, open());
        build::FrameSocket engine(std::move(socket), {});
        auto over = [&] { return cancelled() || session->gone(); };
        const std::function<bool()> asked_over = over;
        Lookout lookout(asked_over, [&] {
            stop_watching();
            files.cancel();
            engine.shut_down();
        });
        auto built = [&]() -> Result<std::map<std::string, std::string>> {
            GANTRY_TRY(BuildWish wish, prepare(*asked, sessions, *session, files));
            return converse(std::move(wish), *session, files, engine, failure);
        }();
        engine.shut_down();
        if (!built && lookout.seen()) return left();
        return built;
    }();
    if (!done) {
        failure->message = done.error().text;
        failure->cancelled = done.error().code == Code::cancelled;
        std::lock_guard lock(mutex_);
        failure->file_name = file_name_;
        failure->source = source_;
    }
    end(done ? "" : failure->cancelled ? "context canceled" : failure->message);
    return done;
}

// What the engine needs to know of the client's files ahead: the Dockerfile, and what a .dockerignore says.
Result<BuildWish> Build::prepare(const Asked& asked, Sessions& sessions, ClientSession& session, FileSync& files) {
    SolveWish wish = wish_;
    for (const Typed& cache : asked.cache_from) wish.cache_from.push_back(cache);
    const std::string key = "buildkit\n" + (session.shared_key().empty() ? session.id() : session.shared_key());
    GANTRY_TRY(BuildWish build, read_wish(asked.attributes, wish, key));
    for (const auto& [directory, id] : build.sessions) {
        GANTRY_TRY(auto other, sessions.find(id, session_wait_ms));
        files.serve_from(directory, std::move(other));
    }
    if (!build.file_here) return build;
    {
        std::lock_guard lock(mutex_);
        file_name_ = build.file_name;
    }
    const std::string own_ignore = build.file_name + ".dockerignore";
    auto step = [&](const std::string& name, const std::function<Result<std::string>()>& work) -> Result<void> {
        {
            std::lock_guard lock(mutex_);
            tell(progress_.begin(name, wall_clock_ns()));
        }
        auto worked = work();
        std::lock_guard lock(mutex_);
        if (worked) tell(progress_.note(*worked, wall_clock_ns()));
        tell(progress_.end(worked ? "" : worked.error().text, wall_clock_ns()));
        if (!worked) return std::move(worked).error();
        return {};
    };
    std::optional<std::string> ignore;
    GANTRY_CHECK(step("[internal] load build definition from " + build.file_name, [&]() -> Result<std::string> {
        GANTRY_TRY(auto texts, files.read("dockerfile", {build.file_name, own_ignore}));
        if (!texts.contains(build.file_name))
            return fail(Code::not_found,
                        "failed to read dockerfile: open " + build.file_name + ": no such file or directory");
        build.frame["dockerfile"] = texts[build.file_name];
        if (texts.contains(own_ignore)) ignore = texts[own_ignore];
        std::lock_guard lock(mutex_);
        source_ = texts[build.file_name];
        return "transferring dockerfile: " + std::to_string(source_.size()) + "B";
    }));
    if (!ignore && build.locals.contains("context"))
        GANTRY_CHECK(step("[internal] load .dockerignore", [&]() -> Result<std::string> {
            GANTRY_TRY(auto texts, files.read(build.locals.at("context"), {".dockerignore"}));
            ignore = texts[".dockerignore"];
            return "transferring context: " + std::to_string(ignore->size()) + "B";
        }));
    if (ignore) build.frame["ignore_lines"] = build::read_dockerignore(*ignore);
    return build;
}

Result<std::map<std::string, std::string>> Build::converse(BuildWish wish, ClientSession& session, FileSync& files,
                                                           build::FrameSocket& engine, Failure* failure) {
    GANTRY_CHECK(engine.send(wish.frame));
    Answers answers(wish, session, files, engine);
    auto ended = [&]() -> Result<std::map<std::string, std::string>> {
        for (;;) {
            auto frame = engine.receive();
            if (!frame) return fail(frame.error().code, "the engine has ended the build");
            const std::string type = frame->type();
            if (type == "done") {
                const Json result = frame->header.value("result", Json::object());
                std::lock_guard lock(mutex_);
                tell(progress_.begin("exporting to image", wall_clock_ns()));
                tell(progress_.note("writing image " + text_of(result, "id"), wall_clock_ns()));
                for (const std::string& tag : texts_of(result, "tags"))
                    tell(progress_.note("naming to " + full_name(tag), wall_clock_ns()));
                tell(progress_.end("", wall_clock_ns()));
                return exporter_answer(result);
            }
            if (type == "error") {
                failure->first = line_of(frame->header, "first");
                failure->last = line_of(frame->header, "last");
                return fail(Code::invalid, text_of(frame->header, "message"));
            }
            if (frame->header.contains("id")) {
                answers.take(std::move(*frame));
                continue;
            }
            std::unique_lock lock(mutex_);
            // Who watches slowly slows the build down, as at the engine's own client.
            changed_.wait(lock, [&] { return waiting_ < most_waiting || !watched_ || watcher_gone_; });
            tell(progress_.take(frame->header, frame->body, wall_clock_ns()));
        }
    }();
    engine.shut_down();
    files.cancel();
    return ended;
}

// The caller holds the mutex. Where nobody takes the events, logs and progress are let go of beyond a bound.
void Build::tell(std::vector<Event> events) {
    for (Event& event : events) {
        if (std::holds_alternative<StatusEvent>(event) && events_.size() > most_waiting_events) continue;
        if (auto* log = std::get_if<LogEvent>(&event)) {
            if (waiting_ + log->bytes.size() > most_waiting) continue;
            waiting_ += log->bytes.size();
        }
        events_.push_back(std::move(event));
    }
    changed_.notify_all();
}

void Build::end(const std::string& error) {
    std::lock_guard lock(mutex_);
    tell(progress_.finish(error, wall_clock_ns()));
    ended_ = true;
    changed_.notify_all();
}

bool Build::watch() {
    std::lock_guard lock(mutex_);
    return !std::exchange(watched_, true);
}

void Build::stop_watching() {
    std::lock_guard lock(mutex_);
    watcher_gone_ = true;
    changed_.notify_all();
}

Result<std::vector<Event>> Build::next(const std::function<bool()>& cancelled) {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, look_every, [&] { return !events_.empty() || ended_; }))
        if (cancelled()) return left();
    std::vector<Event> some(std::make_move_iterator(events_.begin()), std::make_move_iterator(events_.end()));
    events_.clear();
    waiting_ = 0;
    changed_.notify_all();
    return some;
}

std::pair<std::string, std::string> Build::source() const {
    std::lock_guard lock(mutex_);
    return {file_name_, source_};
}

Result<std::shared_ptr<Build>> Builds::add(const std::string& name, SolveWish wish, std::string session) {
    std::lock_guard lock(mutex_);
    if (builds_.size() >= most)
        return fail(Code::exhausted,
                    "there are " + std::to_string(most) + " builds of clients under way, which is all");
    if (builds_.contains(name))
        return fail(Code::conflict, "build " + quote_json(name.substr(0, 200)) + " is there already");
    auto build = std::make_shared<Build>(std::move(wish), std::move(session));
    builds_[name] = build;
    changed_.notify_all();
    return build;
}

Result<std::shared_ptr<Build>> Builds::find(const std::string& name, int wait_ms,
                                            const std::function<bool()>& cancelled) {
    const std::int64_t end = monotonic_ns() + std::int64_t{wait_ms} * 1'000'000;
    std::unique_lock lock(mutex_);
    for (;;) {
        if (auto found = builds_.find(name); found != builds_.end()) return found->second;
        for (const auto& [known, build] : past_)
            if (known == name) return build;
        if (cancelled()) return left();
        if (monotonic_ns() > end) return fail(Code::not_found, "there is no build " + quote_json(name.substr(0, 200)));
        changed_.wait_for(lock, look_every);
    }
}

void Builds::ended(const std::string& name) {
    std::lock_guard lock(mutex_);
    auto found = builds_.find(name);
    if (found == builds_.end()) return;
    past_.emplace_back(name, std::move(found->second));
    builds_.erase(found);
    if (past_.size() > most_past) past_.pop_front();
}

}  // namespace gantry::buildkit
