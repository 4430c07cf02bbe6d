from __future__ import annotations

import json

import numpy as np
import pytest

from tests import fabricate
from utad import load_detector

IMAGES = np.stack([fabricate.picture(seed=1), fabricate.defective(seed=2)])
TENSOR = {"name": "image", "datatype": "UINT8", "shape": list(IMAGES.shape)}


@pytest.fixture(scope="module")
def expected(own_run):
    return load_detector(own_run / "openvino", threads=1).predict(IMAGES)


def test_health_and_metadata(client, service):
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/part/ready").status_code == 200
    model = client.get("/v2/models/part").json()
    assert model["versions"] == [str(service.model("part").version)]
    assert model["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, -1, -1, 3]}]
    assert client.get("/v2/models/other").status_code == 404
    assert client.get("/v2/models/part/versions/999").status_code == 404


@pytest.mark.parametrize("flat", [True, False])
def test_tensors_in_json_get_one_value_of_each_kind(client, service, expected, flat):
    data = IMAGES.ravel().tolist() if flat else IMAGES.tolist()
    answer = client.post("/v2/models/part/infer", json={"id": "7", "inputs": [{**TENSOR, "data": data}]})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["id"], body["model_name"], body["model_version"]) == ("7", "part", str(service.model("part").version))
    outputs = {output["name"]: output for output in body["outputs"]}
    assert list(outputs) == ["pred_score", "pred_label", "band", "threshold"]
    assert all(output["shape"] == [2] for output in outputs.values())
    np.testing.assert_allclose(outputs["pred_score"]["data"], [one.pred_score for one in expected], rtol=1e-6)
    assert outputs["pred_label"]["data"] == [one.pred_label for one in expected]
    assert outputs["band"]["data"] == [one.band for one in expected]


def test_binary_tensors_both_ways(client, expected):
    asked = {
        "inputs": [{**TENSOR, "parameters": {"binary_data_size": IMAGES.size}}],
        "outputs": [
            {"name": "anomaly_map", "parameters": {"binary_data": True}},
            {"name": "band", "parameters": {"binary_data": True}},
            {"name": "pred_score"},
        ],
    }
    header = json.dumps(asked).encode()
    answer = client.post(
        "/v2/models/part/infer",
        content=header + IMAGES.tobytes(),
        headers={"inference-header-content-length": str(len(header))},
    )
    assert answer.status_code == 200
    length = int(answer.headers["inference-header-content-length"])
    maps, bands, scores = json.loads(answer.content[:length])["outputs"]
    assert maps["shape"] == [2, 40, 48]
    size = maps["parameters"]["binary_data_size"]
    found = np.frombuffer(answer.content[length : length + size], "<f4").reshape(2, 40, 48)
    np.testing.assert_allclose(found, [one.anomaly_map for one in expected], rtol=1e-5, atol=1e-6)
    written = b"".join(len(one.band).to_bytes(4, "little") + one.band.encode() for one in expected)
    assert answer.content[length + size :] == written
    assert bands["parameters"]["binary_data_size"] == len(written)
    np.testing.assert_allclose(scores["data"], [one.pred_score for one in expected], rtol=1e-6)


def tensor(**changes):
    return json.dumps({"inputs": [{**TENSOR, "shape": [1, 2, 2, 3], "data": [0] * 12, **changes}]}).encode()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "expected one input"),
        (b'{"inputs": []}', "expected one input"),
        (tensor(name="x"), "'x'"),
        (tensor(datatype="FP32"), "UINT8"),
        (tensor(shape=[1, 2, 2, 4]), r"(N, H, W, 3)"),
        (tensor(shape=[1, 2, 2.0, 3]), r"(N, H, W, 3)"),
        (tensor(shape=[1, 0, 2, 3]), r"(N, H, W, 3)"),
        (tensor(shape=[1, 4, 2, 3]), "got 12 values, expected 24"),
        (tensor(data=[0] * 11 + [256]), "from 0 to 255"),
        (tensor(data=[0] * 11 + [0.5]), "from 0 to 255"),
        (tensor(data=[[0], [0, 0]]), "different lengths"),
        (tensor(parameters={"binary_data_size": 12}), "got 0 bytes behind the JSON"),
        (tensor()[:-1] + b', "outputs": [{"name": "x"}]}', "got the output 'x'"),
    ],
)
def test_what_the_protocol_does_not_have_is_refused_with_a_reason(client, content, text):
    answer = client.post("/v2/models/part/infer", content=content)
    assert answer.status_code == 400
    assert text in answer.json()["error"]


def test_more_images_than_a_request_may_have_are_refused(client):
    content = json.dumps({"inputs": [{**TENSOR, "shape": [4, 1, 1, 3], "data": [0] * 12}]})
    assert client.post("/v2/models/part/infer", content=content).status_code == 413


def test_a_header_length_that_is_none_is_refused(client):
    for length in ("-1", "x", "99999999"):
        answer = client.post(
            "/v2/models/part/infer", content=tensor(), headers={"inference-header-content-length": length}
        )
        assert answer.status_code == 400
