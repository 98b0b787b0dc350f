"""Who gets to see which address."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

PAGES = ["/", "/dashboard/live/", "/devices/", "/images/", "/boots/", "/kernel-sets/", "/installers/"]


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_is_sent_to_the_sign_in_page(client: Client, db: None, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer["Location"] == f"/login/?next={path}"


@pytest.mark.parametrize("path", ["/login/", "/docs", "/openapi.json"])
def test_what_is_promised_to_be_open_is_open(client: Client, db: None, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_a_viewer_sees_every_page(client: Client, viewer: User, path: str) -> None:
    client.force_login(viewer)
    assert client.get(path).status_code == 200


def test_a_live_part_whose_person_signed_out_reloads_the_page(client: Client, db: None) -> None:
    answer = client.get("/dashboard/live/", headers={"HX-Request": "true"})
    assert answer["HX-Refresh"] == "true"
    assert b"<form" not in answer.content


def test_signing_in_leads_to_where_one_wanted_to_go(client: Client, operator: User) -> None:
    answer = client.post(
        "/login/", {"username": "operator", "password": "correct horse", "next": "/images/"}, follow=False
    )
    assert answer["Location"] == "/images/"


def test_signing_in_never_leads_to_another_site(client: Client, operator: User) -> None:
    answer = client.post(
        "/login/",
        {"username": "operator", "password": "correct horse", "next": "https://elsewhere.example/"},
    )
    assert answer["Location"] == "/"


def test_a_wrong_password_is_told_and_the_name_is_kept(client: Client, operator: User) -> None:
    answer = client.post("/login/", {"username": "operator", "password": "wrong"})
    assert answer.status_code == 200
    assert b"correct username and password" in answer.content
    assert b'value="operator"' in answer.content


def test_signing_out_takes_a_post(client: Client, operator: User) -> None:
    client.force_login(operator)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/")["Location"] == "/login/"
    assert client.get("/").status_code == 302


def test_a_page_that_does_not_exist_says_so_in_our_words(client: Client, operator: User) -> None:
    client.force_login(operator)
    answer = client.get("/no-such-page/")
    assert answer.status_code == 404
    assert b"There is nothing here" in answer.content


def test_guessing_a_password_is_stopped_with_a_page_that_says_how_long(
    client: Client, operator: User
) -> None:
    wrong = {"username": "operator", "password": "wrong"}
    answers = [client.post("/login/", wrong) for _ in range(11)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert b"Wait a quarter of an hour" in answers[-1].content
    right = client.post("/login/", {"username": "operator", "password": "correct horse"})
    assert right.status_code == 429
