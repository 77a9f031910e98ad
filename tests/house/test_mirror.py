"""The tests mirror the package: a test is found where the module it tests is."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS, PACKAGE = ROOT / "tests", ROOT / "addon" / "pointsman"
OF_THE_WHOLE = {"fuzz", "house", "process", "scripts", "simulation"}
"""Folders of tests that belong to no folder of the package."""


def test_a_folder_of_tests_is_a_folder_of_the_package_or_listed() -> None:
    folders = {path.relative_to(TESTS).parts[0] for path in TESTS.glob("*/**/test_*.py")}
    assert {name for name in folders if not (PACKAGE / name).is_dir()} == OF_THE_WHOLE


def test_a_file_beside_the_folders_is_named_after_a_module() -> None:
    modules = tuple(f"test_{path.stem}" for path in PACKAGE.glob("*.py"))
    assert [path.name for path in TESTS.glob("test_*.py") if not path.stem.startswith(modules)] == []
