"""Reading YAML that people write: one sentence with the line when it is broken.

YAML 1.1 has traps for such files: `1e-5` reads as text, `1:30:00` as 5400, `2026-11-24` as a
date, and the second of two equal keys wins silently. None of them survives here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from trainer_core.errors import UserError

SIZE_LIMIT_BYTES = 1_000_000
"""A config is a page; something larger is a wrong path."""

_NUMBER = re.compile(r"^[-+]?(\d[\d_]*(\.\d*)?|\.\d+)([eE][-+]?\d+)?$")
_INTEGER = re.compile(r"^[-+]?\d[\d_]*$")
_TRAPS = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _Dumper(yaml.SafeDumper):
    """Writes texts; quotes what `_Loader` would not read as text."""


class _Loader(yaml.SafeLoader):
    """Safe YAML with plain numbers and without the traps named above."""


def read_yaml_file(path: Path) -> Any:
    """Read one YAML file.

    Raises:
        UserError: The file cannot be read, is no text, or is no YAML; one sentence.
    """
    try:
        if path.is_file() and path.stat().st_size > SIZE_LIMIT_BYTES:
            raise UserError(f"{path}: larger than 1 MB, so not a config; name the right file")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; name a readable file") from None
    return read_yaml(text, str(path))


def read_yaml(text: str, name: str) -> Any:
    """Read YAML text; `name` stands in front of the sentence about a mistake.

    Raises:
        UserError: One sentence with the 1-based line.
    """
    try:
        # _Loader is a SafeLoader: it builds plain data only.
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - see above
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"{name}:{mark.line + 1}" if mark else name
        raise UserError(f"{line}: {_plain(error)}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{name}: not YAML ({str(error).splitlines()[0]})") from None
    except RecursionError:
        raise UserError(f"{name}: nested too deeply; a config has two levels") from None


def read_own_yaml(text: str, name: str) -> Any:
    """Read YAML that `own_yaml` wrote: by the C parser, since a list of runs reads hundreds.

    Raises:
        UserError: Somebody broke it.
    """
    try:
        # Both loaders build plain data only.
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UserError(f"{name}: not YAML ({str(error).splitlines()[0]})") from None


def own_yaml(value: Mapping[str, Any]) -> str:
    """Write plain data for `read_own_yaml`, in its own order."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    written: str = yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True)
    return written


def yaml_of_text(value: object) -> str:
    """Write a text, or a tuple of texts, on one line, so that `read_yaml` reads back the same."""
    texts = list(value) if isinstance(value, tuple) else [value]
    # PyYAML writes some control characters so that they read back as others, unless escaped.
    plain = all(isinstance(text, str) and text.isprintable() for text in texts)
    written = yaml.dump(
        texts if isinstance(value, tuple) else value,
        Dumper=_Dumper,
        default_flow_style=True,
        allow_unicode=plain,
        width=2**31,
    )
    return written.removesuffix("\n").removesuffix("\n...")


def _plain(error: yaml.MarkedYAMLError) -> str:
    problem = (error.problem or "not YAML").replace("\n", " ")
    if "\\t" in problem:
        return "a tab cannot indent YAML; use spaces"
    if "mapping values are not allowed" in problem:
        return "a second ':' in one line; put the value in quotes, or start a new line"
    if problem.startswith("the key "):
        return problem
    return f"not YAML: {problem}; mend that line"


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key_node, _ in node.value:
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if key is not None and key in seen:
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"the key {key!r} stands here a second time; keep one",
                key_node.start_mark,
            )
        if key is not None:
            seen.add(key)
    return loader.construct_mapping(node, deep=True)


def _number(loader: _Loader, node: yaml.ScalarNode) -> int | float:
    text = str(loader.construct_scalar(node)).replace("_", "")
    # More digits than Python converts at once are no setting; float() takes them all.
    return int(text) if _INTEGER.match(text) and len(text) < 40 else float(text)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _TRAPS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER, list("-+0123456789."))
_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers
