#include "core/buildkit/file_sync.hpp"

#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "core/base/text.hpp"
#include "core/buildkit/file_stat.hpp"
#include "filesync.grpc.pb.h"

namespace gantry::buildkit {
namespace {

using fsutil::types::Packet;

// What is asked for ahead: so many files at a time, of which each is small.
constexpr std::size_t most_ahead = 16;
constexpr std::int64_t small_file = 256 << 10;
constexpr std::size_t most_kept = 16u << 20, most_entries = 2'000'000, batch_bytes = 256u << 10;
constexpr std::size_t most_text = 1u << 20, most_streams = 200;

void add(grpc::ClientContext& context, const std::string& key, const std::vector<std::string>& values) {
    const auto [shown, escaped] = header_values(values);
    for (const std::string& value : shown) context.AddMetadata(key, value);
    if (escaped) context.AddMetadata(key + "-encoded", "1");
}

}  // namespace

// One directory as it was told once, and the call that its files come by.
struct FileSync::Stream {
    struct File {
        std::uint32_t id = 0;
        std::int64_t size = 0;
    };
    std::mutex mutex;  // one fetch at a time
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReaderWriter<Packet, Packet>> call;
    // Of the FileSync's mutex, once all is told.
    bool told = false;
    std::map<std::string, File> files;

    // Why the client ends it.
    Error broken() {
        const grpc::Status status = call->Finish();
        if (status.error_code() == grpc::StatusCode::CANCELLED || status.error_code() == grpc::StatusCode::UNAVAILABLE)
            return fail(Code::cancelled, "the client has gone");
        return fail(Code::invalid,
                    status.ok() ? "the client ended the transfer" : status.error_message().substr(0, 2000));
    }
    Result<Packet> next() {
        Packet packet;
        if (!call->Read(&packet)) return broken();
        if (packet.type() == Packet::PACKET_ERR) return fail(Code::invalid, packet.data().substr(0, 2000));
        return packet;
    }
    Result<void> ask(std::uint32_t id) {
        Packet packet;
        packet.set_type(Packet::PACKET_REQ);
        packet.set_id(id);
        if (!call->Write(packet)) return broken();
        return {};
    }
};

FileSync::FileSync(std::shared_ptr<ClientSession> session) : session_(std::move(session)) {}

FileSync::~FileSync() { cancel(); }

void FileSync::serve_from(const std::string& directory, std::shared_ptr<ClientSession> session) {
    others_[directory] = std::move(session);
}

void FileSync::cancel() {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    for (auto& [name, stream] : streams_) stream->context.TryCancel();
}

Result<std::shared_ptr<FileSync::Stream>> FileSync::open(const std::string& directory,
                                                         const std::vector<std::string>& paths,
                                                         const std::vector<std::string>& exclude) {
    auto stream = std::make_shared<Stream>();
    add(stream->context, "dir-name", {directory});
    add(stream->context, "followpaths", paths);
    add(stream->context, "exclude-patterns", exclude);
    auto other = others_.find(directory);
    auto stub = moby::filesync::v1::FileSync::NewStub((other == others_.end() ? session_ : other->second)->channel());
    stream->call = stub->DiffCopy(&stream->context);
    std::lock_guard lock(mutex_);
    if (cancelled_) return fail(Code::cancelled, "the build is cancelled");
    if (streams_.size() >= most_streams) return fail(Code::exhausted, "the build asks for its contexts too often");
    streams_.emplace_front(directory, stream);
    return stream;
}

Result<void> FileSync::walk(const std::string& directory, const std::vector<std::string>& paths,
                            const std::vector<std::string>& exclude,
                            const std::function<Result<void>(Json entries)>& entries) {
    GANTRY_TRY(auto stream, open(directory, paths, exclude));
    std::lock_guard lock(stream->mutex);
    Json batch = Json::array();
    std::size_t bytes = 0;
    for (std::uint32_t id = 0;; ++id) {
        GANTRY_TRY(Packet packet, stream->next());
        if (packet.type() != Packet::PACKET_STAT)
            return fail(Code::invalid, "the client sent a file before it told of all");
        if (!packet.has_stat()) break;
        if (id >= most_entries) return fail(Code::exhausted, "the context has more than 2000000 files");
        const auto& told = packet.stat();
        const FileStat stat{told.path(), told.mode(), told.size(), told.mod_time(), told.linkname()};
        GANTRY_TRY(Json entry, entry_of(stat));
        stream->files[stat.path] = {id, stat.size};
        bytes += 2 * stat.path.size() + stat.link.size() + 100;
        batch.push_back(std::move(entry));
        if (bytes < batch_bytes) continue;
        GANTRY_CHECK(entries(std::move(batch)));
        batch = Json::array();
        bytes = 0;
    }
    if (!batch.empty()) GANTRY_CHECK(entries(std::move(batch)));
    std::lock_guard telling(mutex_);
    stream->told = true;
    return {};
}

Result<void> FileSync::fetch(
    const std::string& directory, const std::vector<std::string>& paths,
    const std::function<Result<void>(const std::string& path, std::string_view bytes, bool end)>& data) {
    if (paths.empty()) return {};
    std::shared_ptr<Stream> stream;
    std::vector<Stream::File> files;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [name, one] : streams_)
            if (name == directory && one->told && one->files.contains(paths[0])) {
                stream = one;
                break;
            }
        for (const std::string& path : paths) {
            auto found = stream ? stream->files.find(path) : decltype(stream->files.find(path)){};
            if (!stream || found == stream->files.end())
                return fail(Code::not_found, "the client has not told of " + quote_json(path.substr(0, 200)));
            files.push_back(found->second);
            stream->files.erase(found);  // the client gives each once
        }
    }
    std::lock_guard lock(stream->mutex);
    // Packets of files that are asked for at the same time come mixed; those of later ones wait here.
    struct Kept {
        std::string bytes;
        bool ended = false;
    };
    std::map<std::uint32_t, Kept> kept;
    std::size_t asked = 0, waiting = 0;
    for (std::size_t at = 0; at < files.size(); ++at) {
        while (asked < files.size() && (asked <= at || (asked < at + most_ahead && files[asked].size <= small_file &&
                                                        files[at].size <= small_file)))
            GANTRY_CHECK(stream->ask(files[asked++].id));
        Kept early = std::move(kept[files[at].id]);
        kept.erase(files[at].id);
        waiting -= early.bytes.size();
        if (!early.bytes.empty() || early.ended) GANTRY_CHECK(data(paths[at], early.bytes, early.ended));
        while (!early.ended) {
            GANTRY_TRY(Packet packet, stream->next());
            if (packet.type() != Packet::PACKET_DATA)
                return fail(Code::invalid, "the client sent something else than a file");
            if (packet.id() == files[at].id) {
                early.ended = packet.data().empty();
                GANTRY_CHECK(data(paths[at], packet.data(), early.ended));
                continue;
            }
            const auto last = files.begin() + static_cast<std::ptrdiff_t>(asked);
            if (std::none_of(files.begin() + static_cast<std::ptrdiff_t>(at), last,
                             [&](const Stream::File& file) { return file.id == packet.id(); }))
                return fail(Code::invalid, "the client sent a file that it was not asked for");
            Kept& later = kept[packet.id()];
            later.ended = packet.data().empty();
            later.bytes += packet.data();
            waiting += packet.data().size();
            if (waiting > most_kept) return fail(Code::exhausted, "a file of the context grew while it was read");
        }
    }
    return {};
}

Result<std::map<std::string, std::string>> FileSync::read(const std::string& directory,
                                                          const std::vector<std::string>& names) {
    std::vector<std::string> there;
    GANTRY_CHECK(walk(directory, names, {}, [&](Json entries) -> Result<void> {
        for (const Json& entry : entries)
            if (std::find(names.begin(), names.end(), entry["path"].get<std::string>()) != names.end() &&
                (entry["mode"].get<std::uint32_t>() & 0170000) == 0100000)
                there.push_back(entry["path"]);
        return {};
    }));
    std::map<std::string, std::string> texts;
    GANTRY_CHECK(fetch(directory, there, [&](const std::string& path, std::string_view bytes, bool) -> Result<void> {
        std::string& text = texts[path];
        text += bytes;
        if (text.size() > most_text) return fail(Code::exhausted, quote_json(path) + " is larger than 1 MiB");
        return {};
    }));
    return texts;
}

}  // namespace gantry::buildkit
