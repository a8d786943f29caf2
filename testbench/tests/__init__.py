"""Tests of the controller at its ports."""
