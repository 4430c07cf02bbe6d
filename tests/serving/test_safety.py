from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from utad.errors import ConfigError
from utad.serving.safety import AccessPolicy

TOKEN = "0123456789abcdef"


def refusal(policy: AccessPolicy, path: str = "/v1/models", **headers: str) -> int | None:
    found = policy.refusal(path, Headers(headers))
    return None if found is None else found[0]


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1", "127.0.0.1:80", "[::1]:8000", "LOCALHOST"]
)
def test_names_of_loopback_are_let_in(host):
    assert refusal(AccessPolicy("127.0.0.1"), host=host) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "[", "localhost@evil.example"]
)
def test_a_foreign_host_is_refused_on_loopback(host):
    assert refusal(AccessPolicy("127.0.0.1"), host=host) == 403


def test_further_names_can_be_allowed():
    assert refusal(AccessPolicy("127.0.0.1", allowed_hosts=["line-3.plant"]), host="Line-3.plant:8000") is None


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8000", None),
        ("http://localhost:9000", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_posts_from_pages_of_other_origins_are_refused(origin, status):
    assert refusal(AccessPolicy("127.0.0.1"), host="localhost:8000", origin=origin) == status


def test_an_address_that_others_reach_needs_a_token_that_is_long_enough():
    with pytest.raises(ConfigError, match=r"got --host 0\.0\.0\.0, which others can reach, and no token"):
        AccessPolicy("0.0.0.0")
    with pytest.raises(ConfigError, match="got a token of 5 characters"):
        AccessPolicy("0.0.0.0", token="short")


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", None),
        (f"bearer {TOKEN}", None),
        ("", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer ÿ", 401),
    ],
)
def test_the_token_has_to_be_right(authorization, status):
    policy = AccessPolicy("0.0.0.0", token=TOKEN)
    assert refusal(policy, host="192.168.1.7:8000", authorization=authorization) == status


def test_a_foreign_name_is_refused_even_with_the_token():
    policy = AccessPolicy("0.0.0.0", token=TOKEN)
    assert refusal(policy, host="evil.example", authorization=f"Bearer {TOKEN}") == 403


def test_health_is_open_to_supervisors_and_nothing_else_is():
    policy = AccessPolicy("0.0.0.0", token=TOKEN)
    assert refusal(policy, "/v2/health/live", host="pod") is None
    assert refusal(policy, "/v2/health/ready", host="pod") is None
    assert refusal(policy, "/v2/health", host="10.0.0.1") == 401


def test_refusals_reach_the_client_with_the_headers_of_safety(client):
    foreign = client.get("/v1/models", headers={"host": "evil.example"})
    crossing = client.post("/v1/predict", content=b"x", headers={"origin": "https://evil.example"})
    for answer in (foreign, crossing):
        assert answer.status_code == 403
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/v1/models", "/nothing", "/openapi.json", "/docs"])
def test_every_answer_has_a_strict_policy(client, path):
    policy = client.get(path).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; frame-ancestors 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_page_about_the_interface_loads_nothing(client):
    page = client.get("/docs")
    assert page.status_code == 200
    for word in ("<script", "<link", "src=", "http://", "https://", "@import"):
        assert word not in page.text
    assert "POST /v1/predict" in page.text
    assert "/v1/predict" in client.get("/openapi.json").json()["paths"]
