"""Tests of what one patch gives cannot pass where `POINTSMAN_PATCHES_OFF` turns that patch off."""

import pytest

from pointsman.transport.mitm_patches.switches import switches


def needs_patch(name: str, gain: str) -> pytest.MarkDecorator:
    """Leaves a test out while the patch of this switch is off. `gain`: what is checked, and stock code does not do."""
    return pytest.mark.skipif(not getattr(switches(), name), reason=f"without the patch {name}, {gain}")
