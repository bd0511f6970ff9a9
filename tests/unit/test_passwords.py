"""Hashes of passwords: one of an unknown user takes as long as any other."""

from argon2 import extract_parameters

from eed_delivery.access import passwords


def test_a_password_is_known_by_its_hash_and_by_no_other() -> None:
    kept = passwords.hashed("correct horse")
    assert passwords.verify("correct horse", kept)
    assert not passwords.verify("battery staple", kept)
    assert not passwords.verify("correct horse", "not a hash")


def test_the_hash_that_unknown_users_are_checked_by_costs_what_others_do() -> None:
    assert extract_parameters(passwords._UNKNOWN_USERS) == extract_parameters(passwords.hashed("any"))
    assert not passwords.verify("no user has this password", None)
