#include "plugins/network/overlay/etcd.hpp"

#include <curl/curl.h>

#include <atomic>
#include <mutex>
#include <utility>

#include "plugins/network/overlay/base64.hpp"

namespace gantry::overlay {
namespace {

constexpr long connect_ms = 1500, request_ms = 5000;
constexpr std::size_t max_answer_bytes = 32u << 20, max_line_bytes = 16u << 20;
constexpr int page_keys = 1000;
// Where the other end has gone without a word: ended by the kernel after about this.
constexpr long dead_seconds = 5;

// 64-bit numbers are text in JSON; what is 0 or false is left out.
std::int64_t number(const Json& json, const char* name) {
    auto found = json.find(name);
    if (found == json.end()) return 0;
    if (found->is_number_integer()) return found->get<std::int64_t>();
    if (!found->is_string()) return 0;
    return std::strtoll(found->get_ref<const std::string&>().c_str(), nullptr, 10);
}

bool truth(const Json& json, const char* name) {
    auto found = json.find(name);
    return found != json.end() && found->is_boolean() && found->get<bool>();
}

Result<KeyValue> read_entry(const Json& json) {
    if (!json.is_object()) return fail(Code::corrupt, "an entry of etcd is not an object");
    KeyValue entry;
    for (auto [name, into] : {std::pair{"key", &entry.key}, std::pair{"value", &entry.value}}) {
        auto found = json.find(name);
        if (found == json.end()) continue;
        auto bytes = found->is_string() ? from_base64(found->get_ref<const std::string&>()) : std::nullopt;
        if (!bytes) return fail(Code::corrupt, std::string("the ") + name + " of an entry of etcd is not base64");
        *into = std::move(*bytes);
    }
    entry.create_revision = number(json, "create_revision");
    entry.mod_revision = number(json, "mod_revision");
    return entry;
}

struct FreeHandle {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Handle = std::unique_ptr<CURL, FreeHandle>;

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* into) {
    auto* body = static_cast<std::string*>(into);
    if (body->size() + size * count > max_answer_bytes) return 0;
    body->append(data, size * count);
    return size * count;
}

void start_curl() {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

}  // namespace

std::string end_of_prefix(const std::string& prefix) {
    std::string end = prefix;
    while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
    if (end.empty()) return std::string(1, '\0');  // etcd's word for "to the end of all"
    end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
    return end;
}

Transaction& Transaction::absent(const std::string& key) {
    compare_.push_back({{"key", to_base64(key)}, {"target", "CREATE"}, {"result", "EQUAL"}, {"create_revision", "0"}});
    return *this;
}
Transaction& Transaction::present(const std::string& key) {
    compare_.push_back(
        {{"key", to_base64(key)}, {"target", "CREATE"}, {"result", "GREATER"}, {"create_revision", "0"}});
    return *this;
}
Transaction& Transaction::unchanged(const std::string& key, std::int64_t revision) {
    compare_.push_back(
        {{"key", to_base64(key)}, {"target", "MOD"}, {"result", "EQUAL"}, {"mod_revision", std::to_string(revision)}});
    return *this;
}
Transaction& Transaction::has_value(const std::string& key, const std::string& value) {
    compare_.push_back(
        {{"key", to_base64(key)}, {"target", "VALUE"}, {"result", "EQUAL"}, {"value", to_base64(value)}});
    return *this;
}
Transaction& Transaction::none_in(const std::string& first, const std::string& end) {
    compare_.push_back({{"key", to_base64(first)},
                        {"range_end", to_base64(end)},
                        {"target", "CREATE"},
                        {"result", "EQUAL"},
                        {"create_revision", "0"}});
    return *this;
}
Transaction& Transaction::put(const std::string& key, const std::string& value, std::int64_t lease) {
    Json request{{"key", to_base64(key)}, {"value", to_base64(value)}};
    if (lease != 0) request["lease"] = std::to_string(lease);
    success_.push_back({{"request_put", request}});
    return *this;
}
Transaction& Transaction::erase(const std::string& key) {
    success_.push_back({{"request_delete_range", {{"key", to_base64(key)}}}});
    return *this;
}
Transaction& Transaction::erase_range(const std::string& first, const std::string& end) {
    success_.push_back({{"request_delete_range", {{"key", to_base64(first)}, {"range_end", to_base64(end)}}}});
    return *this;
}

Result<WatchMessage> read_watch_message(const std::string& line) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object()) return fail(Code::corrupt, "a message of etcd's watch is not an object");
    auto found = json.find("result");
    if (found == json.end() || !found->is_object())
        return fail(Code::corrupt, "a message of etcd's watch has no result");
    const Json& result = *found;
    WatchMessage message;
    message.created = truth(result, "created");
    message.cancelled = truth(result, "canceled");
    message.compact_revision = number(result, "compact_revision");
    if (auto header = result.find("header"); header != result.end() && header->is_object())
        message.revision = number(*header, "revision");
    auto events = result.find("events");
    if (events == result.end()) return message;
    if (!events->is_array()) return fail(Code::corrupt, "the events of etcd's watch are no list");
    for (const Json& one : *events) {
        if (!one.is_object() || !one.contains("kv"))
            return fail(Code::corrupt, "an event of etcd's watch has no entry");
        WatchEvent event;
        auto type = one.find("type");
        event.gone = type != one.end() && *type == "DELETE";
        GANTRY_TRY(event.entry, read_entry(one["kv"]));
        message.events.push_back(std::move(event));
    }
    return message;
}

Result<Listing> read_listing(const std::string& body) {
    const Json json = Json::parse(body, nullptr, false);
    if (!json.is_object()) return fail(Code::corrupt, "etcd's answer is not an object");
    Listing listing;
    if (auto header = json.find("header"); header != json.end() && header->is_object()) {
        listing.revision = number(*header, "revision");
        auto cluster = header->find("cluster_id");
        if (cluster != header->end() && cluster->is_string())
            listing.cluster = std::strtoull(cluster->get_ref<const std::string&>().c_str(), nullptr, 10);
    }
    listing.more = truth(json, "more");
    auto entries = json.find("kvs");
    if (entries == json.end()) return listing;
    if (!entries->is_array()) return fail(Code::corrupt, "the entries of etcd are no list");
    for (const Json& one : *entries) {
        GANTRY_TRY(KeyValue entry, read_entry(one));
        listing.entries.push_back(std::move(entry));
    }
    return listing;
}

struct Etcd::Impl {
    EtcdSettings settings;
    std::size_t current = 0;
    Handle unary, stream;
    std::unique_ptr<curl_slist, FreeList> headers;
    CURLM* multi = nullptr;
    bool streaming = false, too_long = false;
    std::atomic<bool> abandoned{false};
    std::string stream_body, line, failure;
    std::vector<std::string> lines;

    ~Impl() {
        if (streaming) curl_multi_remove_handle(multi, stream.get());
        stream.reset();
        if (multi) curl_multi_cleanup(multi);
    }

    void prepare(CURL* handle, const std::string& path) {
        curl_easy_reset(handle);
        curl_easy_setopt(handle, CURLOPT_URL, (settings.endpoints[current] + path).c_str());
        curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
        curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(handle, CURLOPT_PROXY, "");
        curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
        curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
        curl_easy_setopt(handle, CURLOPT_TCP_KEEPIDLE, dead_seconds);
        curl_easy_setopt(handle, CURLOPT_TCP_KEEPINTVL, 1L);
        curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(handle, CURLOPT_XFERINFODATA, this);
        curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, goes_on);
        if (!settings.ca.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, settings.ca.c_str());
        if (!settings.certificate.empty()) curl_easy_setopt(handle, CURLOPT_SSLCERT, settings.certificate.c_str());
        if (!settings.key.empty()) curl_easy_setopt(handle, CURLOPT_SSLKEY, settings.key.c_str());
    }

    static int goes_on(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
        return static_cast<Impl*>(self)->abandoned ? 1 : 0;
    }

    static std::size_t take_stream(char* data, std::size_t size, std::size_t count, void* self) {
        auto* impl = static_cast<Impl*>(self);
        for (char c : std::string_view(data, size * count)) {
            if (c == '\n') {
                if (!impl->line.empty()) impl->lines.push_back(std::move(impl->line));
                impl->line.clear();
            } else if (impl->line.size() < max_line_bytes) {
                impl->line += c;
            } else {
                impl->too_long = true;
                return 0;
            }
        }
        return size * count;
    }
};

Etcd::Etcd(EtcdSettings settings) : impl_(std::make_unique<Impl>()) {
    start_curl();
    impl_->settings = std::move(settings);
    impl_->unary.reset(curl_easy_init());
    impl_->stream.reset(curl_easy_init());
    impl_->multi = curl_multi_init();
    // Without "Expect": it would cost a way there and back.
    impl_->headers.reset(curl_slist_append(nullptr, "Content-Type: application/json"));
    curl_slist_append(impl_->headers.get(), "Expect:");
    if (!impl_->unary || !impl_->stream || !impl_->multi || !impl_->headers) throw std::bad_alloc();
}
Etcd::~Etcd() = default;

const std::string& Etcd::endpoint() const { return impl_->settings.endpoints[impl_->current]; }

Result<Json> Etcd::post(const std::string& path, const Json& body) {
    Impl& impl = *impl_;
    std::string last;
    for (std::size_t attempt = 0; attempt < impl.settings.endpoints.size(); ++attempt) {
        const std::string text = body.dump();
        std::string answer;
        CURL* handle = impl.unary.get();
        impl.prepare(handle, path);
        curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, request_ms);
        curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, static_cast<long>(text.size()));
        curl_easy_setopt(handle, CURLOPT_POSTFIELDS, text.c_str());
        curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
        curl_easy_setopt(handle, CURLOPT_WRITEDATA, &answer);
        const CURLcode code = curl_easy_perform(handle);
        long status = 0;
        curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
        if (code == CURLE_OK && status == 200) {
            Json json = Json::parse(answer, nullptr, false);
            if (json.is_object()) return json;
            last = "its answer is not a JSON object";
        } else if (code == CURLE_OK) {
            const Json json = Json::parse(answer, nullptr, false);
            const bool told = json.is_object() && json.contains("error") && json["error"].is_string();
            last = told ? json["error"].get<std::string>() : "it answers " + std::to_string(status);
            // A request that it understood and refused: another member would as well.
            if (status >= 400 && status < 500) return fail(Code::invalid, "etcd at " + endpoint() + ": " + last);
        } else {
            last = curl_easy_strerror(code);
        }
        last = "etcd at " + endpoint() + " does not answer: " + last;
        impl.current = (impl.current + 1) % impl.settings.endpoints.size();
    }
    return fail(Code::retry_later, last);
}

Result<Listing> Etcd::list(const std::string& prefix) {
    Listing whole;
    std::string from = prefix;
    for (;;) {
        Json request{{"key", to_base64(from)},
                     {"range_end", to_base64(end_of_prefix(prefix))},
                     {"limit", std::to_string(page_keys)}};
        if (whole.revision != 0) request["revision"] = std::to_string(whole.revision);
        GANTRY_TRY(const Json answer, post("/v3/kv/range", request));
        GANTRY_TRY(Listing page, read_listing(answer.dump()));
        if (whole.revision == 0) {
            whole.revision = page.revision;
            whole.cluster = page.cluster;
        }
        const bool more = page.more && !page.entries.empty();
        if (more) from = page.entries.back().key + '\0';
        for (KeyValue& entry : page.entries) whole.entries.push_back(std::move(entry));
        if (!more) return whole;
    }
}

Result<bool> Etcd::commit(const Transaction& transaction, std::int64_t* revision) {
    GANTRY_TRY(const Json answer, post("/v3/kv/txn", transaction.json()));
    if (auto header = answer.find("header"); revision && header != answer.end() && header->is_object())
        *revision = number(*header, "revision");
    return truth(answer, "succeeded");
}

Result<std::int64_t> Etcd::grant(std::int64_t seconds) {
    GANTRY_TRY(const Json answer, post("/v3/lease/grant", {{"TTL", std::to_string(seconds)}}));
    const std::int64_t id = number(answer, "ID");
    if (id == 0) return fail(Code::corrupt, "etcd at " + endpoint() + " gave a lease without a number");
    return id;
}

Result<void> Etcd::keep_alive(std::int64_t lease) {
    GANTRY_TRY(const Json answer, post("/v3/lease/keepalive", {{"ID", std::to_string(lease)}}));
    auto result = answer.find("result");
    if (result == answer.end() || !result->is_object() || number(*result, "TTL") <= 0)
        return fail(Code::not_found, "the lease has ended");
    return {};
}

Result<void> Etcd::revoke(std::int64_t lease) {
    GANTRY_TRY([[maybe_unused]] const Json answer, post("/v3/lease/revoke", {{"ID", std::to_string(lease)}}));
    return {};
}

void Etcd::end_watch() {
    Impl& impl = *impl_;
    if (impl.streaming) curl_multi_remove_handle(impl.multi, impl.stream.get());
    impl.streaming = impl.too_long = false;
    impl.line.clear();
    impl.lines.clear();
}

Result<void> Etcd::watch(const std::string& prefix, std::int64_t from) {
    Impl& impl = *impl_;
    end_watch();
    impl.stream_body = Json{{"create_request",
                             {{"key", to_base64(prefix)},
                              {"range_end", to_base64(end_of_prefix(prefix))},
                              {"start_revision", std::to_string(from)}}}}
                           .dump();
    CURL* handle = impl.stream.get();
    impl.prepare(handle, "/v3/watch");
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, static_cast<long>(impl.stream_body.size()));
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, impl.stream_body.c_str());
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, Impl::take_stream);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &impl);
    if (curl_multi_add_handle(impl.multi, handle) != CURLM_OK) return fail(Code::internal, "libcurl takes no watch");
    impl.streaming = true;
    return {};
}

Result<void> Etcd::wait(int milliseconds, const std::function<Result<void>(const WatchMessage&)>& taken) {
    Impl& impl = *impl_;
    int running = 0;
    curl_multi_perform(impl.multi, &running);
    if (impl.lines.empty() && (!impl.streaming || running > 0)) {
        curl_multi_poll(impl.multi, nullptr, 0, milliseconds, nullptr);
        curl_multi_perform(impl.multi, &running);
    }
    std::vector<std::string> lines = std::exchange(impl.lines, {});
    for (const std::string& line : lines) {
        GANTRY_TRY(const WatchMessage message, read_watch_message(line));
        GANTRY_CHECK(taken(message));
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(impl.multi, &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        const std::string why = impl.too_long                      ? "a message is too long"
                                : message->data.result == CURLE_OK ? "it ended the connection"
                                                                   : curl_easy_strerror(message->data.result);
        const std::string at = endpoint();
        end_watch();
        impl.current = (impl.current + 1) % impl.settings.endpoints.size();
        return fail(Code::retry_later, "the watch of etcd at " + at + ": " + why);
    }
    return {};
}

void Etcd::abandon() {
    impl_->abandoned = true;
    wake();
}

void Etcd::wake() { curl_multi_wakeup(impl_->multi); }

}  // namespace gantry::overlay
