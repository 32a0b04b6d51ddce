#include "core/base/clock.hpp"
#include "core/base/text.hpp"
#include "core/buildkit/cache_wish.hpp"
#include "core/buildkit/services.hpp"
#include "core/buildkit/text_member.hpp"

namespace gantry::buildkit {
namespace {

namespace usage_api = moby::buildkit::v1;

void fill_time(const Json& record, const char* key, google::protobuf::Timestamp* time) {
    const std::int64_t ns = parse_rfc3339(text_of(record, key)).value_or(0);
    time->set_seconds(ns / 1'000'000'000);
    time->set_nanos(static_cast<std::int32_t>(ns % 1'000'000'000));
}

void fill(const Json& from, usage_api::UsageRecord* record) {
    auto is = [&](const char* key) { return from.value(key, Json()) == true; };
    auto number = [&](const char* key) {
        auto found = from.find(key);
        return found != from.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
    };
    record->set_id(text_of(from, "ID"));
    record->set_record_type(text_of(from, "Type"));
    record->set_description(text_of(from, "Description"));
    record->set_in_use(is("InUse"));
    record->set_shared(is("Shared"));
    record->set_size(number("Size"));
    record->set_usage_count(number("UsageCount"));
    fill_time(from, "CreatedAt", record->mutable_created_at());
    if (auto used = from.find("LastUsedAt"); used != from.end() && used->is_string())
        fill_time(from, "LastUsedAt", record->mutable_last_used_at());
    if (auto parents = from.find("Parents"); parents != from.end() && parents->is_array())
        for (const Json& parent : *parents)
            if (parent.is_string()) record->add_parents(parent.get<std::string>());
}

}  // namespace

grpc::Status ControlService::DiskUsage(grpc::ServerContext*, const usage_api::DiskUsageRequest* request,
                                       usage_api::DiskUsageResponse* response) {
    const Call call(shared_);
    auto question = read_usage({request->filter().begin(), request->filter().end()});
    if (!question) return status_of(question.error());
    auto records = shared_.engine.ask(*question);
    if (!records) return status_of(records.error());
    for (const Json& record : *records) fill(record, response->add_record());
    return grpc::Status::OK;
}

grpc::Status ControlService::Prune(grpc::ServerContext*, const usage_api::PruneRequest* request,
                                   grpc::ServerWriter<usage_api::UsageRecord>* writer) {
    const Call call(shared_);
    auto question = read_prune({{request->filter().begin(), request->filter().end()},
                                request->all(),
                                request->keep_duration(),
                                request->reserved_space(),
                                request->max_used_space(),
                                request->min_free_space()});
    if (!question) return status_of(question.error());
    auto records = shared_.engine.ask(*question);
    if (!records) return status_of(records.error());
    for (const Json& record : *records) {
        usage_api::UsageRecord told;
        fill(record, &told);
        if (!writer->Write(told)) break;
    }
    return grpc::Status::OK;
}

}  // namespace gantry::buildkit
