// Scores images with an exported graph, in OpenVINO or ONNX form, without Python.
//
//   score GRAPH THRESHOLD IMAGE.ppm...
//
// GRAPH is detector.xml or detector.onnx of an exported folder, THRESHOLD the one in its manifest.json. Prints a line
// for each image: score, label, file. The graph has the whole detector, from 8-bit RGB pixels of any size to score, map
// and mask; of a model with image.tile, image.align or image.letterbox it has a tile, an aligned or a framed image: the rest is Python's.
// `python benchmarks/cpp_client.py EXPORT --images DIR` compiles this and compares its scores with Python's.

#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <openvino/openvino.hpp>

struct Image {
    std::size_t width = 0;
    std::size_t height = 0;
    std::vector<std::uint8_t> pixels;  // height, width, RGB
};

// A binary PPM with 8 bits, as cameras' tools and `PIL.Image.save("x.ppm")` write it.
Image read_ppm(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string kind;
    Image image;
    unsigned highest = 0;
    file >> kind;
    while (file >> std::ws && file.peek() == '#') {
        file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    }
    file >> image.width >> image.height >> highest;
    file.get();  // one white space, then the pixels
    if (!file || kind != "P6" || highest != 255 || image.width == 0 || image.height == 0 ||
        image.width > 100'000'000 / image.height) {
        throw std::runtime_error(path + " is not a binary PPM (P6) with 8 bits and at most 100 million pixels");
    }
    image.pixels.resize(image.width * image.height * 3);
    file.read(reinterpret_cast<char*>(image.pixels.data()), static_cast<std::streamsize>(image.pixels.size()));
    if (!file) {
        throw std::runtime_error(path + " is cut off");
    }
    return image;
}

class Detector {
public:
    explicit Detector(const std::string& graph) {
        // Left alone OpenVINO computes in bf16 where the processor has it, which changes scores.
        auto compiled = core_.compile_model(core_.read_model(graph), "CPU",
                                            ov::hint::inference_precision(ov::element::f32),
                                            ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY));
        request_ = compiled.create_infer_request();
    }

    float score(Image& image) {
        const ov::Shape shape{1, image.height, image.width, 3};
        request_.set_tensor("image", ov::Tensor(ov::element::u8, shape, image.pixels.data()));
        request_.infer();
        return request_.get_tensor("pred_score").data<float>()[0];
    }

private:
    ov::Core core_;
    ov::InferRequest request_;
};

int main(int count, char** arguments) {
    if (count < 4) {
        std::cerr << "usage: score GRAPH THRESHOLD IMAGE.ppm...\n";
        return 2;
    }
    try {
        Detector detector(arguments[1]);
        const float threshold = std::stof(arguments[2]);
        std::cout.precision(9);
        for (int index = 3; index < count; ++index) {
            Image image = read_ppm(arguments[index]);
            const float score = detector.score(image);
            const char* label = score > threshold ? "anomalous" : "normal";
            std::cout << score << ' ' << label << ' ' << arguments[index] << '\n';
        }
    } catch (const std::exception& error) {
        std::cerr << "error: " << error.what() << '\n';
        return 1;
    }
    return 0;
}
