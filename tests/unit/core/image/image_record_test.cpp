#include "core/image/image_record.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/store/bent.hpp"

namespace gantry::image {
namespace {

std::string digest(char c) { return "sha256:" + std::string(64, c); }

store::Object good() {
    Image image;
    image.id = digest('a');
    image.tags = {"web:1"};
    image.repo_digests = {"web@" + digest('d')};
    image.layers = {digest('b'), digest('c')};
    image.layer_sizes = {10, 20};
    image.size = 30;
    return to_object({std::make_shared<const Image>(std::move(image)), digest('d'), {{digest('e'), 5}, {"", 0}}});
}

// With an index, which has another image.
store::Object with_index() {
    Image other;
    other.id = digest('1');
    other.layers = {digest('2')};
    other.layer_sizes = {7};
    other.size = 7;
    Record record = *from_object(good(), Json::object());
    record.indexes.push_back({digest('3'),
                              "application/vnd.oci.image.index.v1+json",
                              {"web:1"},
                              {{std::make_shared<const Image>(std::move(other)), digest('4'), {{digest('5'), 3}}}}});
    return to_object(record);
}

}  // namespace

TEST(ImageRecord, of_a_wrong_shape_is_refused) {
    const store::Object object = good();
    ASSERT_TRUE(from_object(object, Json::object()));
    for (const test::Bent& one : test::bent(object.body)) {
        auto read = from_object({object.id, "", 1, one.body}, Json::object());
        if (read)
            EXPECT_EQ(to_object(*read).body, one.body) << one.where;
        else
            EXPECT_EQ(read.error().code, Code::corrupt) << one.where;
        EXPECT_NO_THROW((void)references_of({object.id, "", 1, one.body})) << one.where;
    }
    for (const test::Bent& one : test::without_each(object.body))
        // Older records do not say when the image was used.
        EXPECT_EQ(bool(from_object({object.id, "", 1, one.body}, Json::object())), one.where == "no used_ns")
            << one.where;
}

TEST(ImageRecord, with_an_index_of_a_wrong_shape_is_refused) {
    const store::Object object = with_index();
    auto whole = from_object(object, Json::object());
    ASSERT_TRUE(whole) << whole.error().text;
    EXPECT_EQ(to_object(*whole).body, object.body);
    const Json& index = object.body["indexes"][0];
    auto with = [&](const Json& changed) {
        store::Object other = object;
        other.body["indexes"][0] = changed;
        EXPECT_NO_THROW((void)references_of(other));
        return from_object(other, Json::object());
    };
    for (const test::Bent& one : test::bent(index)) {
        auto read = with(one.body);
        if (read)
            EXPECT_EQ(to_object(*read).body["indexes"][0], one.body) << one.where;
        else
            EXPECT_EQ(read.error().code, Code::corrupt) << one.where;
    }
    for (const test::Bent& one : test::without_each(index)) EXPECT_FALSE(with(one.body)) << one.where;
    for (const test::Bent& one : test::without_each(index["variants"][0])) {
        Json changed = index;
        changed["variants"][0] = one.body;
        EXPECT_FALSE(with(changed)) << one.where;
    }
    const References references = references_of(object);
    EXPECT_EQ(references.layers, (std::vector<std::string>{digest('b'), digest('c'), digest('2')}));
    for (char c : {'a', 'd', 'e', '1', '3', '4', '5'})
        EXPECT_NE(std::find(references.blobs.begin(), references.blobs.end(), digest(c)), references.blobs.end()) << c;
}

TEST(ImageRecord, with_an_attestation_of_a_wrong_shape_is_refused) {
    Record record = *from_object(good(), Json::object());
    record.attestations.push_back(
        {digest('6'), "application/vnd.oci.image.manifest.v1+json", 9, {{digest('7'), 2}, {digest('8'), 3}}});
    const store::Object object = to_object(record);
    auto whole = from_object(object, Json::object());
    ASSERT_TRUE(whole) << whole.error().text;
    EXPECT_EQ(to_object(*whole).body, object.body);
    auto with = [&](const Json& changed) {
        store::Object other = object;
        other.body["attestations"] = changed;
        EXPECT_NO_THROW((void)references_of(other));
        return from_object(other, Json::object());
    };
    const Json& attestations = object.body["attestations"];
    for (const test::Bent& one : test::bent(attestations)) {
        auto read = with(one.body);
        if (!read) {
            EXPECT_EQ(read.error().code, Code::corrupt) << one.where;
        } else if (!one.body.empty()) {
            EXPECT_EQ(to_object(*read).body["attestations"], one.body) << one.where;
        }
    }
    for (const test::Bent& one : test::without_each(attestations[0]))
        EXPECT_FALSE(with(Json::array({one.body}))) << one.where;
    Json nameless = attestations;
    nameless[0]["blobs"][0]["digest"] = "";
    EXPECT_FALSE(with(nameless));
    const References references = references_of(object);
    for (char c : {'6', '7', '8'})
        EXPECT_NE(std::find(references.blobs.begin(), references.blobs.end(), digest(c)), references.blobs.end()) << c;
}

TEST(ImageRecord, whose_parts_do_not_fit_together_is_refused) {
    auto with = [](const char* key, Json value) {
        store::Object object = good();
        object.body[key] = std::move(value);
        return bool(from_object(object, Json::object()));
    };
    EXPECT_FALSE(with("manifest", "../../etc/passwd"));
    EXPECT_FALSE(with("layers", Json::array({digest('b')})));
    EXPECT_FALSE(with("layers", Json::array({digest('b'), "../x"})));
    EXPECT_FALSE(with("layer_sizes", Json::array()));
    EXPECT_FALSE(with("blobs", Json::array({{{"digest", "x"}, {"size", 1}}, {{"digest", ""}, {"size", 1}}})));
    EXPECT_TRUE(with("manifest", ""));
    store::Object object = good();
    object.id = "../x";
    EXPECT_FALSE(from_object(object, Json::object()));
}

TEST(ImageRecord, that_is_damaged_still_names_what_it_refers_to) {
    store::Object object = good();
    object.body["tags"] = nullptr;
    object.body["blobs"][1] = 5;
    const References references = references_of(object);
    EXPECT_EQ(references.layers, (std::vector<std::string>{digest('b'), digest('c')}));
    EXPECT_EQ(references.blobs, (std::vector<std::string>{digest('a'), digest('d'), digest('e')}));
}

}  // namespace gantry::image
