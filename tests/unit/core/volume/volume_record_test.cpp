#include "core/volume/volume_record.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/store/bent.hpp"

namespace gantry::volume {

TEST(VolumeRecord, of_a_wrong_shape_is_refused) {
    Volume volume;
    volume.name = "v";
    volume.driver = "local";
    volume.path = "/where";
    volume.labels = {{"a", "b"}};
    volume.options = {{"type", "tmpfs"}};
    volume.consumers = {"c1"};
    const store::Object good = to_object(volume);
    ASSERT_TRUE(from_object(good));
    for (const test::Bent& one : test::bent(good.body)) {
        auto read = from_object({good.id, good.name, 1, one.body});
        if (read)
            EXPECT_EQ(to_object(*read).body, one.body) << one.where;
        else
            EXPECT_EQ(read.error().code, Code::corrupt) << one.where;
    }
    for (const test::Bent& one : test::without_each(good.body))
        EXPECT_FALSE(from_object({good.id, good.name, 1, one.body})) << one.where;
}

}  // namespace gantry::volume
