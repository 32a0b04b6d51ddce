#include "core/build/dockerfile/mount.hpp"

#include <gtest/gtest.h>

namespace gantry::build::dockerfile {
namespace {

Result<MountSpec> parse(std::string_view text) {
    auto fields = mount_fields(text);
    if (!fields) return fields.error();
    return parse_mount(*fields);
}

Mount mount(std::string_view text) {
    auto spec = parse(text);
    EXPECT_TRUE(spec) << text << ": " << (spec ? "" : spec.error().text);
    return spec ? spec->mount : Mount();
}

}  // namespace

TEST(RunMount, takes_every_key_of_every_type) {
    Mount bind = mount("target=/b,source=src,from=x,rw");
    EXPECT_EQ(bind.kind, Mount::Kind::bind);
    EXPECT_EQ(bind.target, "/b");
    EXPECT_EQ(bind.source, "src");
    EXPECT_TRUE(bind.writable);
    EXPECT_EQ(parse("type=bind,dst=/b,from=x")->from_name, "x");
    EXPECT_FALSE(mount("type=bind,destination=/b").writable);
    EXPECT_TRUE(mount("type=bind,dst=/b,readwrite=true").writable);
    EXPECT_FALSE(mount("type=bind,dst=/b,rw,ro").writable);

    Mount cache = mount("TYPE=cache,id=pip,target=/c,sharing=locked,mode=0700,uid=1000,gid=100,src=a,from=x");
    EXPECT_EQ(cache.kind, Mount::Kind::cache);
    EXPECT_EQ(cache.id, "pip");
    EXPECT_EQ(cache.sharing, Mount::Sharing::locked);
    EXPECT_EQ(cache.mode, 0700u);
    EXPECT_EQ(cache.uid, 1000u);
    EXPECT_EQ(cache.gid, 100u);
    EXPECT_TRUE(cache.writable);
    EXPECT_FALSE(mount("type=cache,target=/c,readonly").writable);
    EXPECT_EQ(mount("type=cache,target=/c,sharing=private").sharing, Mount::Sharing::exclusive);
    EXPECT_EQ(mount("type=cache,target=/c,sharing=shared").sharing, Mount::Sharing::shared);

    EXPECT_EQ(mount("type=tmpfs,target=/t,size=64m").size, 64 << 20);
    EXPECT_EQ(mount("type=tmpfs,target=/t").size, 0);

    Mount secret = mount("type=secret,id=aws,target=/s,env=AWS,required=true,mode=0440,uid=1,gid=2");
    EXPECT_EQ(secret.kind, Mount::Kind::secret);
    EXPECT_EQ(secret.env, "AWS");
    EXPECT_TRUE(secret.required);
    EXPECT_EQ(secret.mode, 0440u);
    EXPECT_TRUE(mount("type=secret,id=a,required").required);
    EXPECT_FALSE(mount("type=secret,id=a,required=false").required);
    EXPECT_EQ(mount("type=secret,src=a").id, "a");

    Mount ssh = mount("type=ssh,id=me,target=/s,required,mode=0666,uid=1,gid=2");
    EXPECT_EQ(ssh.kind, Mount::Kind::ssh);
    EXPECT_EQ(ssh.mode, 0666u);
    EXPECT_EQ(mount("type=ssh").id, "");
    // The type may come last, and fields may be quoted.
    EXPECT_EQ(mount("target=/c,\"id=a,\"\"b\"\"\",type=cache").id, "a,\"b\"");
}

TEST(RunMount, that_is_wrong_says_what_is_allowed) {
    const std::string id = "up to 256 printable characters without \".\" and \"..\" between slashes";
    for (auto [text, error] : std::initializer_list<std::pair<std::string, std::string>>{
             {"type=volume,target=/a",
              "RUN --mount type: found \"volume\", allowed is bind, cache, tmpfs, secret or ssh"},
             {"type=bind", "RUN --mount type=bind needs a target: target=/path"},
             {"type=cache,id=a", "RUN --mount type=cache needs a target: target=/path"},
             {"type=tmpfs", "RUN --mount type=tmpfs needs a target: target=/path"},
             {"type=secret", "RUN --mount type=secret needs an id: id=NAME"},
             {"type=bind,target=/a,bind-propagation=shared",
              "RUN --mount type=bind: unknown key \"bind-propagation\", allowed are type target dst destination source "
              "src from rw readwrite ro readonly"},
             {"type=bind,target=/a,id=x",
              "RUN --mount type=bind: unknown key \"id\", allowed are type target dst destination "
              "source src from rw readwrite ro readonly"},
             {"type=cache,taget=/a",
              "RUN --mount type=cache: unknown key \"taget\" (did you mean target?), allowed are type id target dst "
              "destination ro readonly rw readwrite sharing from source src mode uid gid"},
             {"type=tmpfs,target=/a,mode=1",
              "RUN --mount type=tmpfs: unknown key \"mode\", allowed are type target dst "
              "destination size"},
             {"type=secret,id=a,sharing=locked",
              "RUN --mount type=secret: unknown key \"sharing\", allowed are type id source src target dst destination "
              "env required mode uid gid"},
             {"type=ssh,size=1",
              "RUN --mount type=ssh: unknown key \"size\", allowed are type id target dst "
              "destination required mode uid gid"},
             {"type=cache,target", "RUN --mount target needs a value: target=.."},
             {"type=cache,target=", "RUN --mount target needs a value: target=.."},
             {"type=cache,target=/a,sharing=all",
              "RUN --mount sharing: found \"all\", allowed is shared, private or locked"},
             {"type=cache,target=/a,mode=8", "RUN --mount mode: found \"8\", allowed is an octal number up to 07777"},
             {"type=cache,target=/a,mode=17777",
              "RUN --mount mode: found \"17777\", allowed is an octal number up to 07777"},
             {"type=cache,target=/a,uid=-1", "RUN --mount uid: found \"-1\", allowed is a number from 0 to 4294967294"},
             {"type=cache,target=/a,gid=root",
              "RUN --mount gid: found \"root\", allowed is a number from 0 to 4294967294"},
             {"type=cache,target=/a,id=../../..", "RUN --mount id: found \"../../..\", allowed is " + id},
             {"type=cache,target=/a,id=a/../b", "RUN --mount id: found \"a/../b\", allowed is " + id},
             {"type=secret,id=..", "RUN --mount id: found \"..\", allowed is " + id},
             {"type=ssh,id=a\nb", "RUN --mount id: found \"a\\nb\", allowed is " + id},
             {"type=tmpfs,target=/a,size=many", "RUN --mount size: found \"many\", allowed is a size such as 64m"},
             {"type=tmpfs,target=/a,size=0", "RUN --mount size: found \"0\", allowed is a size such as 64m"},
             {"type=secret,id=a,env=1A", "RUN --mount env: found \"1A\", allowed is the name of a variable"},
             {"type=secret,id=a,required=perhaps", "RUN --mount required: found \"perhaps\", allowed is true or false"},
             {"type=bind,target=/a,rw=perhaps", "RUN --mount rw: found \"perhaps\", allowed is true or false"},
             {"\"type=bind", "RUN --mount: found a quote in the wrong place in \"\\\"type=bind\""},
             {"\"type=bind\"x", "RUN --mount: found a quote in the wrong place in \"\\\"type=bind\\\"x\""}}) {
        auto spec = parse(text);
        ASSERT_FALSE(spec) << text;
        EXPECT_EQ(spec.error().text, error);
        EXPECT_EQ(spec.error().code, Code::invalid);
    }
}

}  // namespace gantry::build::dockerfile
