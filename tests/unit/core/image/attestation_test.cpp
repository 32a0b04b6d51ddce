#include "core/image/attestation.hpp"

#include <gtest/gtest.h>

#include "core/image/media_types.hpp"

namespace gantry::image {
namespace {

std::string digest_like(char c) { return "sha256:" + std::string(64, c); }

const std::string image = digest_like('a'), own = digest_like('b');

Json entry_about(const std::string& about) {
    return {{"mediaType", media::manifest},
            {"digest", own},
            {"size", 1},
            {"annotations", {{media::attestation, media::attestation_manifest}, {media::attested, about}}}};
}

Json layer(char c, const Json& size, std::string_view type = media::in_toto) {
    return {{"mediaType", type}, {"digest", digest_like(c)}, {"size", size}};
}

Json document(const Json& layers) {
    return {{"schemaVersion", 2},
            {"mediaType", media::manifest},
            {"config", layer('c', 2, media::config)},
            {"layers", layers}};
}

Result<AttestationDocument> parse(const Json& json) {
    return parse_attestation(json.dump(), own, media::manifest, image);
}

std::string refusal(const Json& json, Code code) {
    auto parsed = parse(json);
    EXPECT_FALSE(parsed) << json.dump();
    if (parsed) return "";
    EXPECT_EQ(parsed.error().code, code) << parsed.error().text;
    return parsed.error().text;
}

Attestation of_bytes(char c, std::int64_t bytes) {
    return {digest_like(c), std::string(media::manifest), 0, {{digest_like('d'), bytes}}};
}

TEST(Attestation, is_what_an_entry_says_of_another) {
    EXPECT_EQ(attested_by(entry_about(image)), image);
    EXPECT_TRUE(speaks_of_another(entry_about(image)));
    EXPECT_EQ(attested_by(entry_about(own)), "") << "of itself";
    EXPECT_EQ(attested_by(entry_about("sha256:../x")), "");
    for (const char* key : {"mediaType", "digest"}) {
        Json entry = entry_about(image);
        entry[key] = media::index;
        EXPECT_EQ(attested_by(entry), "") << key;
    }
    Json other = entry_about(image);
    other["annotations"][media::attestation] = "something-else";
    EXPECT_EQ(attested_by(other), "");
    EXPECT_TRUE(speaks_of_another(other)) << "no image, all the same";
    for (const Json& none : {Json(), Json(1), Json::object(), Json{{"annotations", Json::array()}}}) {
        EXPECT_EQ(attested_by(none), "");
        EXPECT_FALSE(speaks_of_another(none));
    }
    const Attestation kept{own, std::string(media::manifest), 7, {}};
    EXPECT_EQ(attested_by(attestation_entry(kept, image)), image);
}

TEST(Attestation, names_its_blobs_once_and_its_statements) {
    Json twice = layer('e', 3);
    auto parsed = parse(document(Json::array({layer('d', 5, "application/x"), twice, twice})));
    ASSERT_TRUE(parsed) << parsed.error().text;
    std::string named;
    for (const LayerBlob& blob : parsed->blobs) named += blob.digest[7] + std::to_string(blob.size) + " ";
    EXPECT_EQ(named, "c2 d5 e3 ");
    EXPECT_EQ(parsed->statements, (std::vector<Json>{twice, twice}));
    Json with_subject = document(Json::array({layer('d', 1)}));
    with_subject["subject"] = {{"digest", image}};
    EXPECT_TRUE(parse(with_subject));
}

TEST(Attestation, that_contradicts_itself_is_refused) {
    Json about_another = document(Json::array({layer('d', 1)}));
    about_another["subject"] = {{"digest", own}};
    EXPECT_NE(refusal(about_another, Code::invalid).find("its subject is"), std::string::npos);
    about_another["subject"] = 7;
    refusal(about_another, Code::invalid);
    Json both = document(Json::array());
    both["manifests"] = Json::array();
    refusal(both, Code::invalid);
    Json other_type = document(Json::array());
    other_type["mediaType"] = media::docker_manifest;
    refusal(other_type, Code::invalid);
    for (const Json& size : {Json(-1), Json("1"), Json(1.5), Json()})
        refusal(document(Json::array({layer('d', size)})), Code::invalid);
    refusal(document(Json::array({layer('d', 1), layer('d', 2)})), Code::invalid);
    refusal(document(Json::array({Json(1)})), Code::invalid);
    refusal(Json::array(), Code::invalid);
    refusal(Json{{"layers", Json::array()}}, Code::invalid);
}

TEST(Attestation, beyond_the_bounds_is_not_kept) {
    refusal(document(Json::array({layer('d', max_statement_bytes + 1)})), Code::exhausted);
    refusal(document(Json::array({layer('d', Json(std::uint64_t{1} << 63))})), Code::exhausted);
    Json many = Json::array();
    for (std::size_t i = 0; i <= max_attestation_layers; ++i) many.push_back(layer('d', 1));
    refusal(document(many), Code::exhausted);
    std::vector<Attestation> kept(max_attestations - 1, of_bytes('e', 0));
    EXPECT_TRUE(fits_beside(kept, of_bytes('f', max_attested_bytes)));
    EXPECT_FALSE(fits_beside(kept, of_bytes('f', max_attested_bytes + 1)));
    kept.push_back(of_bytes('e', 0));
    EXPECT_FALSE(fits_beside(kept, of_bytes('f', 0)));
}

TEST(Attestation, of_an_image_that_comes_again_stays_beside_the_new_ones_within_the_bounds) {
    const auto joined = joined_attestations({of_bytes('1', max_attested_bytes - 1), of_bytes('2', 0)},
                                            {of_bytes('2', 0), of_bytes('3', 2), of_bytes('4', 1)});
    std::string names;
    for (const Attestation& one : joined) names += one.digest[7];
    EXPECT_EQ(names, "124");
}

}  // namespace
}  // namespace gantry::image
