"""Fixtures for all tests in Python."""

import pytest

import kprep_lib


@pytest.fixture(scope="session")
def libkprep():
    return kprep_lib.load()
