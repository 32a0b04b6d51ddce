// The Dockerfile of the tutorial, whole.
#include "tests/unit/core/build/dockerfile/plan_fixture.hpp"

namespace gantry::build::dockerfile {
namespace {

constexpr const char* kTutorial = R"(# Use an official Python runtime as a parent image
FROM python:3.9-slim-buster

# Set the working directory in the container to /app
WORKDIR /app

# Add the current directory contents into the container at /app
ADD . /app

# Install any needed packages specified in requirements.txt
RUN pip install --no-cache-dir -r requirements.txt

# Create a new SQLite database
RUN sqlite3 mydatabase.db < schema.sql

# Expose port 80 for the web app
EXPOSE 80

# Define environment variable
ENV NAME World

# Run app.py when the container launches
CMD ["python", "app.py"]
)";

}  // namespace

TEST_F(PlanTest, the_tutorials_Dockerfile) {
    options.ignore_lines = {".git"};
    Graph graph = plan(kTutorial);
    EXPECT_EQ(names(graph), (Words{"[1/5] FROM " + library + "python:3.9-slim-buster", "[2/5] WORKDIR /app",
                                   "[internal] load build context", "[3/5] ADD . /app",
                                   "[4/5] RUN pip install --no-cache-dir -r requirements.txt",
                                   "[5/5] RUN sqlite3 mydatabase.db < schema.sql"}));
    EXPECT_EQ(history(graph), (Words{"base of python:3.9-slim-buster", "WORKDIR /app", "ADD . /app",
                                     "RUN /bin/sh -c pip install --no-cache-dir -r requirements.txt",
                                     "RUN /bin/sh -c sqlite3 mydatabase.db < schema.sql", "EXPOSE 80 -",
                                     "ENV NAME=World -", "CMD [\"python\",\"app.py\"] -"}));
    const auto& context = *all<ContextSource>(graph).at(0);
    EXPECT_EQ(context.name, "context");
    EXPECT_TRUE(context.paths.empty());
    EXPECT_EQ(context.exclude, Words{".git"});
    EXPECT_EQ(std::get<MakeDirectory>(all<FileChange>(graph).at(0)->actions.at(0)).path, "/app");
    EXPECT_EQ(copy(graph, 1).sources, Words{"."});
    EXPECT_EQ(copy(graph, 1).destination, "/app");
    EXPECT_TRUE(copy(graph, 1).unpack);
    EXPECT_EQ(copy(graph, 1).from, 2u);
    const Exec& pip = *all<Exec>(graph).at(0);
    EXPECT_EQ(pip.argv, (Words{"/bin/sh", "-c", "pip install --no-cache-dir -r requirements.txt"}));
    EXPECT_EQ(pip.env, (Words{"PATH=/usr/local/bin:/bin", "LANG=C.UTF-8"}));
    EXPECT_EQ(pip.workdir, "/app");
    EXPECT_EQ(pip.base, 3u);
    EXPECT_EQ(graph.steps[4].lines.first, 11);
    EXPECT_EQ(graph.target.result, 5u);
    EXPECT_EQ(graph.target.layer_steps, (std::vector<StepId>{1, 3, 4, 5}));
    EXPECT_EQ(graph.target.base_reference, library + "python:3.9-slim-buster");
    EXPECT_EQ(graph.target.base_config, images[library + "python:3.9-slim-buster"]);
    EXPECT_EQ(graph.target.config["config"],
              Json::parse(R"({"Cmd":["python","app.py"],"Env":["PATH=/usr/local/bin:/bin","LANG=C.UTF-8","NAME=World"],
        "ExposedPorts":{"80/tcp":{}},"WorkingDir":"/app"})"));
    EXPECT_EQ(graph.target.config["architecture"], "amd64");
    EXPECT_FALSE(graph.target.config.contains("created"));
    EXPECT_FALSE(graph.target.config.contains("rootfs"));
    EXPECT_EQ(shown(graph.warnings), Words{"LegacyKeyValueFormat:20 ENV name value is the old form of ENV name=value"});
    EXPECT_EQ(asked, Words{library + "python:3.9-slim-buster linux/amd64"});
}

}  // namespace gantry::build::dockerfile
