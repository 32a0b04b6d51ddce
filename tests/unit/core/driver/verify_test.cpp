#include "core/driver/verify.hpp"

#include <fstream>

#include "tests/unit/core/driver/support.hpp"

namespace gantry::driver {
namespace {

using ::testing::HasSubstr;

struct Verify : Fixture {
    std::string file = good_drivers + "/network-good.so";
    // Refused, and the text holds the file and both of `found` and `needed`.
    void refused(const std::string& path, const std::string& found, const std::string& needed) {
        auto result = verify_file(path);
        ASSERT_FALSE(result);
        EXPECT_THAT(result.error().text, HasSubstr("\"" + path + "\""));
        EXPECT_THAT(result.error().text, HasSubstr(found));
        EXPECT_THAT(result.error().text, HasSubstr(needed));
    }
    // A file that starts with an ELF header, changed at `offset`.
    std::string elf_with(std::size_t offset, char value) {
        std::string copy = directory.copy(file, "network-elf.so");
        std::fstream stream(copy, std::ios::in | std::ios::out | std::ios::binary);
        stream.seekp(static_cast<std::streamoff>(offset));
        stream.put(value);
        return copy;
    }
};

TEST_F(Verify, a_good_file_passes_and_gives_its_kind_and_name) {
    auto result = verify_file(file);
    ASSERT_TRUE(result) << text_of(result);
    EXPECT_EQ(result->kind, Kind::network);
    EXPECT_EQ(result->name, "good");
}

TEST_F(Verify, a_relative_path_is_refused) { refused("drivers/network-good.so", "not an absolute path", ""); }

TEST_F(Verify, a_file_that_is_not_named_kind_name_is_refused) {
    for (const char* name : {"good.so", "network-good.txt", "teapot-good.so", "network-.so", "network-Good.so",
                             "network-a.b.so", "network-0123456789012345678901234567890123.so"})
        refused(directory.path() + "/" + name, std::string("is named \"") + name + "\"", "KIND-NAME.so is needed");
}

TEST_F(Verify, a_missing_file_is_refused) {
    refused(directory.path() + "/network-none.so", "No such file", "");
    EXPECT_EQ(verify_file(directory.path() + "/network-none.so").error().code, Code::not_found);
}

TEST_F(Verify, a_symbolic_link_is_refused) {
    std::string link = directory.path() + "/network-good.so";
    ASSERT_EQ(::symlink(file.c_str(), link.c_str()), 0);
    refused(link, "symbolic link", "a regular file is needed");
}

TEST_F(Verify, a_fifo_is_refused_and_not_waited_for) {
    std::string fifo = directory.path() + "/network-fifo.so";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    refused(fifo, "not a regular file", "");
}

TEST_F(Verify, a_file_that_others_can_write_is_refused) {
    std::string copy = directory.copy(file);
    ASSERT_EQ(::chmod(copy.c_str(), 0757), 0);
    refused(copy, "mode 0757", "must not be writable by group or others");
    ASSERT_EQ(::chmod(copy.c_str(), 0775), 0);
    refused(copy, "mode 0775", "must not be writable by group or others");
}

TEST_F(Verify, a_file_of_another_owner_is_refused) {
    std::string copy = directory.copy(file);
    ASSERT_EQ(::chown(copy.c_str(), 1234, 0), 0);
    refused(copy, "owned by uid 1234", "owned by root");
}

TEST_F(Verify, a_directory_that_others_can_change_is_refused) {
    std::string copy = directory.copy(file);
    ASSERT_EQ(::chmod(directory.path().c_str(), 0777), 0);
    refused(copy, "mode 0777", "must not be writable by group or others");
    ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
    ASSERT_EQ(::chown(directory.path().c_str(), 1234, 0), 0);
    refused(copy, "owned by uid 1234", "owned by root");
}

TEST_F(Verify, a_file_that_is_not_elf_is_refused) {
    std::string text = directory.path() + "/network-text.so";
    std::ofstream(text) << "#!/bin/sh\n";
    refused(text, "not an ELF file", "a shared object is needed");
}

TEST_F(Verify, a_32_bit_object_is_refused) { refused(elf_with(4, 1), "ELF class 1", "64-bit little-endian is needed"); }
TEST_F(Verify, another_machine_is_refused) { refused(elf_with(18, 8), "ELF machine 8", "is needed"); }
TEST_F(Verify, an_executable_is_refused) { refused(elf_with(16, 2), "ELF type 2", "a shared object (3) is needed"); }

TEST_F(Verify, a_file_that_is_cut_off_is_refused) {
    std::string copy = directory.copy(file);
    ASSERT_EQ(::truncate(copy.c_str(), 4096), 0);
    refused(copy, "is cut off: it has 4096 bytes", "its ELF headers need");
    ASSERT_EQ(::truncate(copy.c_str(), 64), 0);
    refused(copy, "is cut off: it has 64 bytes", "its ELF headers need");
}

}  // namespace
}  // namespace gantry::driver
