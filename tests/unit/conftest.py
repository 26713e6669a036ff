"""Property tests here draw the same examples every time and are never timed."""

from hypothesis import settings

settings.register_profile("unit", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("unit")
