"""Make the embedded model `tiny` once more, from its sources to its weights (docs/seed.md).

Usage: python docs/make_seed.py FOLDER [--corpus-only]

Fetches the wheels of `seed_packages.txt` and the Debian documents of `seed_sources.txt` into
FOLDER, writes the corpus there, and trains `seed.yaml` on it. Python 3.11, `dpkg-deb` and the
package lists of Debian 12 are needed, and an H100 for the time that docs/seed.md tells. What
lies in FOLDER already is not fetched again.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).parent.absolute()


def run(*command: str | Path, folder: Path) -> None:
    """Run a command in a folder, said first; end with its code where it fails."""
    sys.stderr.write(f"$ {' '.join(map(str, command))}\n")
    code = subprocess.run(command, cwd=folder, check=False).returncode
    if code:
        sys.exit(code)


def fetch(folder: Path) -> None:
    """Put wheels, unpacked documents and the standard library where the list expects them."""
    packages = HERE / "seed_packages.txt"
    pip = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:")
    run(*pip, "--find-links", "wheels", "-d", "wheels", "-r", packages, folder=folder)
    sources = (HERE / "seed_sources.txt").read_text(encoding="utf-8")
    (folder / "debs").mkdir(exist_ok=True)
    for name in re.findall(r"(?m)^docs/(\S+)", sources):
        if not (folder / "docs" / name).is_dir():
            run("apt-get", "download", name, folder=folder / "debs")
            package = next((folder / "debs").glob(f"{name}_*.deb"))
            run("dpkg-deb", "-x", package, folder / "docs" / name, folder=folder)
    library = folder / "python3.11"
    if not library.exists():
        library.symlink_to(sysconfig.get_path("stdlib"))


def main(arguments: list[str]) -> None:
    """Fetch, write the corpus, train."""
    if not arguments or arguments[1:] not in ([], ["--corpus-only"]):
        sys.exit("usage: python docs/make_seed.py FOLDER [--corpus-only]")
    if sys.version_info[:2] != (3, 11):
        sys.exit("The standard library of Python 3.11 is part of the corpus: run this with 3.11.")
    folder = Path(arguments[0]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    fetch(folder)
    for name in ("seed_sources.txt", "seed.yaml"):
        shutil.copy(HERE / name, folder)
    corpus = (sys.executable, "-m", "trainer_core.engine.data.code_corpus")
    if not (folder / "corpus").is_dir():
        run(*corpus, "seed_sources.txt", "corpus", folder=folder)
    if not arguments[1:]:
        run(sys.executable, "-m", "moai_tui", "train", "seed.yaml", folder=folder)


if __name__ == "__main__":
    main(sys.argv[1:])
