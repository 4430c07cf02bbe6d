from __future__ import annotations

import json
import runpy

import PIL.Image
import pytest

import trace_predict


def test_a_generator_that_goes_on_enters_its_file_again(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "a.py").write_text("def numbers():\n    yield 1\n    yield 2\n", encoding="utf-8")
    (package / "b.py").write_text("def use(x):\n    return own(x)\ndef own(x):\n    return x\n", encoding="utf-8")
    numbers, use = (
        runpy.run_path(str(package / f"{name}.py"))[function] for name, function in (("a", "numbers"), ("b", "use"))
    )

    def action():
        for number in numbers():
            use(number)

    entered = trace_predict.files_entered(action, package)
    assert entered == ["a.py", "b.py", "a.py", "b.py", "a.py"]
    assert trace_predict.summary(entered) == {"changes": 4, "returns": {"a.py": 2, "b.py": 1}, "files": entered}


@pytest.mark.parametrize(("runtime", "engine"), [("auto", "export/openvino_graph.py"), ("torch", "scoring/network.py")])
def test_one_prediction_is_traced_through_the_route_that_scores(run, tmp_path, runtime, engine):
    PIL.Image.new("RGB", (64, 64)).save(tmp_path / "image.png")
    output = tmp_path / "trace.json"
    trace_predict.main([str(run), str(tmp_path / "image.png"), "--runtime", runtime, "--output", str(output)])
    (found,) = json.loads(output.read_text(encoding="utf-8"))["runtimes"].values()
    assert found["files"][0] == "predictor.py"
    assert engine in found["files"]
    assert found["changes"] == len(found["files"]) - 1
    if runtime == "auto":
        assert found["changes"] < 60
        assert max(found["returns"].values()) <= 2
