#include "core/cli/build/output_sink.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/files.hpp"
#include "core/cli/build/tree_writer.hpp"
#include "core/cli/stream.hpp"

namespace gantry::cli {
namespace {

class StandardOutput final : public OutputSink {
public:
    Result<void> push(std::string_view bytes) override { return write_out(1, bytes); }
    Result<void> finish() override { return {}; }
};

// A regular file is replaced once the new one is complete; a pipe or device is written to as it stands.
class FileOutput final : public OutputSink {
public:
    explicit FileOutput(std::string path) : path_(std::move(path)) {}
    ~FileOutput() override {
        if (!temporary_.empty()) ::unlink(temporary_.c_str());
    }
    Result<void> open() {
        struct stat info {};
        if (::stat(path_.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
            GANTRY_TRY(file_, open_file(path_, O_WRONLY));
            return {};
        }
        temporary_ = path_ + ".part." + std::to_string(::getpid());
        auto opened = open_file(temporary_, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0666);
        if (!opened) {
            temporary_.clear();
            return opened.error();
        }
        file_ = std::move(*opened);
        return {};
    }
    Result<void> push(std::string_view bytes) override {
        return write_all(file_.get(), bytes).context("write \"" + path_ + "\"");
    }
    Result<void> finish() override {
        if (::close(file_.release()) != 0) return fail_errno("write \"" + path_ + "\"");
        if (temporary_.empty()) return {};
        if (::rename(temporary_.c_str(), path_.c_str()) != 0) return fail_errno("write \"" + path_ + "\"");
        temporary_.clear();
        return {};
    }

private:
    std::string path_, temporary_;
    UniqueFd file_;
};

class DirectoryOutput final : public OutputSink {
public:
    explicit DirectoryOutput(UniqueFd root)
        : writer_(std::move(root), TreeWriter::Bits::permissions_only),
          reader_({[this](const TarEntry& entry) { return writer_.entry(entry); },
                   [this](std::string_view bytes) { return writer_.data(bytes); }, [this] { return writer_.end(); }}) {}
    Result<void> push(std::string_view bytes) override { return reader_.push(bytes); }
    Result<void> finish() override {
        GANTRY_CHECK(reader_.finish());
        return writer_.finish();
    }
    std::string note() const override {
        if (writer_.left_out() == 0) return {};
        return std::to_string(writer_.left_out()) + " devices, FIFOs or other special files were left out";
    }

private:
    TreeWriter writer_;
    TarReader reader_;
};

}  // namespace

Result<std::unique_ptr<OutputSink>> OutputSink::create(const BuildOutput& output) {
    if (output.target == BuildOutput::Target::standard_output)
        return std::unique_ptr<OutputSink>(std::make_unique<StandardOutput>());
    if (output.target == BuildOutput::Target::file) {
        auto file = std::make_unique<FileOutput>(output.path);
        GANTRY_CHECK(file->open().context("output"));
        return std::unique_ptr<OutputSink>(std::move(file));
    }
    GANTRY_CHECK(make_directories(output.path, 0755).context("output"));
    GANTRY_TRY(UniqueFd root, open_file(output.path, O_RDONLY | O_DIRECTORY).context("output"));
    return std::unique_ptr<OutputSink>(std::make_unique<DirectoryOutput>(std::move(root)));
}

}  // namespace gantry::cli
