#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <unistd.h>

#include "core/base/files.hpp"
#include "core/store/store.hpp"
#include "tests/unit/core/store/scratch.hpp"

using namespace gantry;
using namespace gantry::store;
using gantry::test::Scratch;

namespace {

void run_sql(const std::string& path, const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    char* message = nullptr;
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, &message), SQLITE_OK) << (message ? message : "");
    sqlite3_close(db);
}

std::size_t files_named_damaged(const Scratch& scratch) {
    std::size_t count = 0;
    const auto names = list_directory(scratch.path);
    for (const std::string& name : *names) count += name.starts_with("store.db.damaged-") ? 1u : 0u;
    return count;
}

}  // namespace

TEST(StoreDamage, moves_a_file_that_is_no_database_aside) {
    Scratch scratch;
    ASSERT_TRUE(write_file(scratch / "store.db", std::string(9000, 'x')));
    std::string reason;
    auto store = Store::open(scratch / "store.db", &reason);
    ASSERT_TRUE(store) << store.error().text;
    EXPECT_NE(reason.find("not a database"), std::string::npos) << reason;
    EXPECT_EQ(files_named_damaged(scratch), 1u);
    EXPECT_TRUE((*store)->put("k", {"1", "", 0, Json::object()}));
}

TEST(StoreDamage, moves_a_database_with_broken_pages_aside) {
    Scratch scratch;
    {
        auto store = Store::open(scratch / "store.db");
        ASSERT_TRUE(store);
        for (int i = 0; i < 500; ++i)
            ASSERT_TRUE(
                (*store)->put("k", {std::to_string(i), "n" + std::to_string(i), 0, {{"pad", std::string(500, 'p')}}}));
    }
    auto content = read_file(scratch / "store.db");
    ASSERT_TRUE(content);
    ASSERT_GT(content->size(), 30u * 4096);
    for (std::size_t at = 8 * 4096; at < 24 * 4096; ++at) (*content)[at] = static_cast<char>(at * 7);
    ASSERT_TRUE(write_file(scratch / "store.db", *content));
    std::string reason;
    auto store = Store::open(scratch / "store.db", &reason);
    ASSERT_TRUE(store) << store.error().text;
    EXPECT_FALSE(reason.empty());
    // What lay on sound pages is carried over, whole; what lay on the broken ones is gone.
    auto saved = (*store)->list("k");
    ASSERT_TRUE(saved);
    EXPECT_GT(saved->size(), 0u);
    EXPECT_LT(saved->size(), 500u);
    for (const Object& object : *saved) {
        EXPECT_EQ(object.name, "n" + object.id);
        EXPECT_EQ(object.body, (Json{{"pad", std::string(500, 'p')}}));
    }
}

TEST(StoreDamage, tells_once_of_a_file_that_was_cut_within_a_page) {
    Scratch scratch;
    {
        auto store = Store::open(scratch / "store.db");
        ASSERT_TRUE(store);
        ASSERT_TRUE((*store)->put("k", {"1", "", 0, Json::object()}));
    }
    const std::string path = scratch / "store.db";
    // Behind its pages the file has room that was taken ahead: nothing is lost there.
    ASSERT_EQ(::truncate(path.c_str(), static_cast<off_t>(std::filesystem::file_size(path)) - 7), 0);
    std::string reason;
    {
        auto store = Store::open(path, &reason);
        ASSERT_TRUE(store) << store.error().text;
        EXPECT_NE(reason.find("cut within its page"), std::string::npos) << reason;
        EXPECT_EQ((*store)->list("k")->size(), 1u);
    }
    reason.clear();
    ASSERT_TRUE(Store::open(path, &reason));
    EXPECT_EQ(reason, "");
}

TEST(StoreDamage, takes_an_empty_file_for_a_new_store) {
    Scratch scratch;
    ASSERT_TRUE(write_file(scratch / "store.db", ""));
    std::string reason;
    ASSERT_TRUE(Store::open(scratch / "store.db", &reason));
    EXPECT_EQ(reason, "");
}

TEST(StoreDamage, refuses_a_store_of_a_newer_engine_and_leaves_it_as_it_is) {
    Scratch scratch;
    { ASSERT_TRUE(Store::open(scratch / "store.db")); }
    run_sql(scratch / "store.db", "UPDATE meta SET value='99' WHERE key='schema'");
    const std::string before = *read_file(scratch / "store.db");
    auto refused = Store::open(scratch / "store.db");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::precondition);
    EXPECT_NE(refused.error().text.find("99"), std::string::npos);
    EXPECT_EQ(*read_file(scratch / "store.db"), before);
    EXPECT_EQ(files_named_damaged(scratch), 0u);
}

TEST(StoreDamage, reports_an_object_whose_body_is_not_json_and_keeps_it) {
    Scratch scratch;
    {
        auto store = Store::open(scratch / "store.db");
        for (const char* id : {"a", "b", "c"}) ASSERT_TRUE((*store)->put("k", {id, "", 0, Json::object()}));
    }
    run_sql(scratch / "store.db",
            "UPDATE objects SET body='{\"x\":' WHERE id='a'; UPDATE objects SET body='[1]' WHERE id='b'");
    auto store = Store::open(scratch / "store.db");
    ASSERT_TRUE(store);
    std::vector<Damage> damage;
    auto readable = (*store)->list("k", &damage);
    ASSERT_TRUE(readable);
    ASSERT_EQ(readable->size(), 1u);
    EXPECT_EQ((*readable)[0].id, "c");
    ASSERT_EQ(damage.size(), 2u);
    EXPECT_EQ(damage[0].id, "a");
    EXPECT_EQ((*store)->get("k", "a").error().code, Code::corrupt);
    EXPECT_TRUE((*store)->put("k", {"a", "", 0, Json::object()}));
}

TEST(StoreDamage, reports_an_intent_whose_detail_is_no_object_and_still_gives_it) {
    Scratch scratch;
    {
        auto store = Store::open(scratch / "store.db");
        for (const char* id : {"a", "b", "c", "d"})
            ASSERT_TRUE((*store)->begin_intent("container", id, "create", {{"layer", id}}));
    }
    run_sql(scratch / "store.db",
            "UPDATE intents SET detail='{\"x\":' WHERE id='a'; UPDATE intents SET detail='[1]' WHERE id='b';"
            "UPDATE intents SET detail='null' WHERE id='c'");
    auto store = Store::open(scratch / "store.db");
    ASSERT_TRUE(store);
    std::vector<Damage> damage;
    auto intents = (*store)->intents(&damage);
    ASSERT_TRUE(intents);
    ASSERT_EQ(intents->size(), 4u);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ((*intents)[i].operation, "create");
        EXPECT_EQ((*intents)[i].detail, Json::object());
    }
    EXPECT_EQ((*intents)[3].detail, (Json{{"layer", "d"}}));
    ASSERT_EQ(damage.size(), 3u);
    EXPECT_EQ(damage[0].kind, "container");
    EXPECT_EQ(damage[2].id, "c");
}

TEST(StoreDamage, names_the_path_it_cannot_open) {
    auto refused = Store::open("/proc/nothing/store.db");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text.find("/proc/nothing/store.db"), std::string::npos);
}

TEST(StoreDamage, makes_nothing_half_on_a_full_disk) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount a small tmpfs";
    Scratch scratch;
    const std::string disk = scratch / "disk";
    ASSERT_TRUE(make_directories(disk));
    if (::mount("gantry-unit-store", disk.c_str(), "tmpfs", 0, "size=512k") != 0)
        GTEST_SKIP() << "no tmpfs can be mounted here";
    {
        auto store = Store::open(disk + "/store.db");
        ASSERT_TRUE(store) << store.error().text;
        Result<void> put;
        int written = 0;
        for (; written < 10'000 && put; ++written)
            put = (*store)->transact([&]() -> Result<void> {
                const std::string id = std::to_string(written);
                GANTRY_CHECK((*store)->put("left", {id, "", 0, {{"pad", std::string(3000, 'x')}}}));
                return (*store)->put("right", {id, "", 0, {{"pad", std::string(3000, 'x')}}});
            });
        EXPECT_FALSE(put);
        EXPECT_TRUE(put || put.error().code == Code::exhausted) << put.error().text;
        auto left = (*store)->list("left"), right = (*store)->list("right");
        ASSERT_TRUE(left);
        ASSERT_TRUE(right);
        EXPECT_EQ(left->size(), right->size());
        EXPECT_EQ(left->size(), static_cast<std::size_t>(written - 1));
    }
    EXPECT_EQ(::umount2(disk.c_str(), MNT_DETACH), 0);
}
