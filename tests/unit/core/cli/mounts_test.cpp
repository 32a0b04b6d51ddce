#include <gtest/gtest.h>
#include <unistd.h>

#include "core/cli/mounts.hpp"

namespace gantry::cli {
namespace {

std::string why(std::string_view mount) {
    auto parsed = parse_mount(mount);
    return parsed ? "parsed" : parsed.error().text;
}

TEST(Mounts, a_volume_argument_is_a_bind_or_anonymous) {
    EXPECT_TRUE(parse_volume("/data")->anonymous);
    EXPECT_EQ(parse_volume("/host:/data:ro")->text, "/host:/data:ro");
    EXPECT_EQ(parse_volume("name:/data")->text, "name:/data");
    char here[4096];
    ASSERT_TRUE(::getcwd(here, sizeof here));
    EXPECT_EQ(parse_volume("./sub/../x:/data")->text, std::string(here) + "/x:/data");
    EXPECT_EQ(parse_volume(".:/data")->text, std::string(here) + ":/data");
}

TEST(Mounts, a_wrong_volume_argument_is_refused) {
    EXPECT_EQ(parse_volume("a:/b:ro:x").error().text, "invalid spec: a:/b:ro:x: too many colons");
    EXPECT_EQ(parse_volume(":/b").error().text, "invalid spec: :/b: empty section between colons");
    EXPECT_FALSE(parse_volume("a:b"));
    EXPECT_FALSE(parse_volume(""));
}

TEST(Mounts, the_long_form_becomes_the_apis_mount) {
    EXPECT_EQ(
        *parse_mount("type=bind,source=/a,target=/b,readonly,bind-propagation=rslave"),
        Json::parse(
            R"({"Type":"bind","Source":"/a","Target":"/b","ReadOnly":true,"BindOptions":{"Propagation":"rslave"}})"));
    EXPECT_EQ(
        *parse_mount("src=data,dst=/b,volume-driver=nfs,volume-opt=o=addr,\"volume-opt=m=a,b\",volume-nocopy"),
        Json::parse(
            R"({"Type":"volume","Source":"data","Target":"/b","VolumeOptions":{"NoCopy":true,"DriverConfig":{"Name":"nfs","Options":{"o":"addr","m":"a,b"}}}})"));
    EXPECT_EQ(*parse_mount("type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1777"),
              Json::parse(R"({"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":67108864,"Mode":1023}})"));
}

TEST(Mounts, the_long_form_is_refused_in_dockers_words) {
    EXPECT_EQ(why("type=bind,source=/a"), "target is required");
    EXPECT_EQ(why("type=bind,target"), "invalid field 'target' must be a key=value pair");
    EXPECT_EQ(why("type=bind,tarhet=/b"), "unexpected key 'tarhet' in 'tarhet=/b' (did you mean 'target'?)");
    EXPECT_EQ(why("type=bind,target=/b,readonly=maybe"), "invalid value for readonly: maybe");
    EXPECT_EQ(why("type=bind,source=/a,target=/b,volume-nocopy"),
              "cannot mix 'volume-*' options with mount type 'bind'");
    EXPECT_EQ(why("type=tmpfs,target=/t,tmpfs-size=lots"), "invalid value for tmpfs-size: lots");
    EXPECT_EQ(why("type=tmpfs,target=/t,tmpfs-mode=999"), "invalid value for tmpfs-mode: 999");
    EXPECT_EQ(why(""), "value is empty");
}

TEST(Mounts, devices_have_a_path_inside_and_a_mode) {
    EXPECT_EQ(*parse_device("/dev/fuse"),
              Json::parse(R"({"PathOnHost":"/dev/fuse","PathInContainer":"/dev/fuse","CgroupPermissions":"rwm"})"));
    EXPECT_EQ((*parse_device("/dev/a:rw"))["CgroupPermissions"], "rw");
    EXPECT_EQ((*parse_device("/dev/a:/dev/b:r"))["PathInContainer"], "/dev/b");
    EXPECT_EQ(parse_device("/dev/a:/dev/b:x").error().text, "bad mode specified: x");
    EXPECT_TRUE(is_cdi_device("vendor.com/gpu=0"));
    EXPECT_FALSE(is_cdi_device("/dev/a=b"));
}

}  // namespace
}  // namespace gantry::cli
