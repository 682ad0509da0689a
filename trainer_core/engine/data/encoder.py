"""The tokenizer as the data path needs it: the Rust tokenizer and its few special ids.

`read_encoder` opens the vocabularies that ship with the package and plain tokenizer folders
without importing transformers, which takes seconds; `encoder_of` takes one that is loaded.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer_core.builtin import GPT2, TINY
from trainer_core.engine.data.render import Rendered
from trainer_core.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

GPT2_ENTRIES = 50257
_GPT2_END = "<|endoftext|>"


@dataclass(kw_only=True, slots=True)
class TextEncoder:
    """A tokenizer and what the data path has to know of it."""

    backend: Tokenizer
    end_token: str
    """The tokenizer's real end-of-text token."""
    begin_token: str | None = None
    """Put before every text by the tokenizer itself; None where it adds nothing."""
    chat_template: str | None = None
    special_tokens: dict[str, str] = field(default_factory=dict)
    """By role, as a chat template names them: `bos_token`, `eos_token` …"""
    vocabulary: int = field(init=False)
    """One more than the highest id."""
    end_id: int = field(init=False)

    def __post_init__(self) -> None:
        self.vocabulary = self.backend.get_vocab_size(with_added_tokens=True)
        self.end_id = self._checked_end()

    def fingerprint(self) -> str:
        """Return the sha256 of everything that shapes ids."""
        content = [self.backend.to_str(), self.end_token, self.begin_token or ""]
        return hashlib.sha256("\0".join(content).encode()).hexdigest()

    def encode(self, rows: Sequence[Rendered]) -> list[EncodedRow]:
        """Turn rendered rows into ids and masks, many at once.

        Special tokens written in the data stay ordinary text; only a chat template writes real
        ones. The end token follows where a piece asks for it, and counts as that piece does.
        """
        encoded: list[EncodedRow | None] = [None] * len(rows)
        for special in (False, True):
            chosen = [place for place, row in enumerate(rows) if row.special == special]
            if chosen:
                self.backend.encode_special_tokens = not special
                parts = self._encode_pieces([rows[place] for place in chosen])
                for place, part in zip(chosen, parts, strict=True):
                    encoded[place] = part
        self.backend.encode_special_tokens = False
        return [row for row in encoded if row is not None]

    def _encode_pieces(self, rows: Sequence[Rendered]) -> list[EncodedRow]:
        if not self._joins_cleanly():
            return [self._encode_whole(row) for row in rows]
        texts = [piece.text for row in rows for piece in row.pieces]
        encodings = iter(self.backend.encode_batch_fast(texts, add_special_tokens=False))
        found = []
        for row in rows:
            ids: list[int] = self._begin(row)
            spans = list[slice]()
            for piece in row.pieces:
                start = len(ids)
                ids.extend(next(encodings).ids)
                if piece.end:
                    ids.append(self.end_id)
                if piece.counted:
                    spans.append(slice(start, len(ids)))
            counted = np.zeros(len(ids), dtype=np.uint8)
            for span in spans:
                counted[span] = 1
            found.append(EncodedRow(tokens=np.asarray(ids, dtype=np.int64), counted=counted))
        return found

    def _encode_whole(self, row: Rendered) -> EncodedRow:
        """Encode up to each end token in one go: for tokenizers that put a space before any text.

        A token belongs to the answer as soon as one of its characters does.
        """
        ids: list[int] = self._begin(row)
        counted = [0] * len(ids)
        text, marks = "", list[int]()
        for piece in row.pieces:
            text += piece.text
            marks.extend([int(piece.counted)] * len(piece.text))
            if piece.end or piece is row.pieces[-1]:
                encoding = self.backend.encode(text, add_special_tokens=False)
                ids += encoding.ids
                counted += [int(any(marks[start:end])) for start, end in encoding.offsets]
                text, marks = "", []
            if piece.end:
                ids.append(self.end_id)
                counted.append(int(piece.counted))
        return _encoded(ids, counted)

    def _begin(self, row: Rendered) -> list[int]:
        if self.begin_token is None or row.pieces[0].text.startswith(self.begin_token):
            return []
        begin = self.backend.token_to_id(self.begin_token)
        return [] if begin is None else [begin]

    def _joins_cleanly(self) -> bool:
        """Whether two texts encoded apart read as their sum: not with a space put before each."""
        apart = [
            *self.backend.encode("[INST] a\n", add_special_tokens=False).ids,
            *self.backend.encode("def", add_special_tokens=False).ids,
        ]
        return self.backend.decode(apart, skip_special_tokens=False).strip() == "[INST] a\ndef"

    def _checked_end(self) -> int:
        # Loaded the wrong way, transformers gives a tokenizer of one entry that encodes to nothing.
        if not self.backend.encode("def f", add_special_tokens=False).ids:
            raise UserError("the tokenizer encodes text to nothing; its files are incomplete")
        end = self.backend.token_to_id(self.end_token)
        if end is None:
            raise UserError(
                f"the tokenizer's end token {self.end_token!r} is not in its vocabulary"
            )
        return end


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedRow:
    """One row as ids, not yet cut to a length."""

    tokens: np.ndarray
    """int64."""
    counted: np.ndarray
    """uint8, 1 for tokens of the answer and the end token."""


def _encoded(ids: list[int], counted: list[int]) -> EncodedRow:
    return EncodedRow(
        tokens=np.asarray(ids, dtype=np.int64), counted=np.asarray(counted, dtype=np.uint8)
    )


def encoder_of(tokenizer: Any) -> TextEncoder:
    """Return the encoder of a loaded transformers tokenizer.

    Raises:
        UserError: If it has no Rust tokenizer or no end token.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise UserError("the model's tokenizer has no tokenizer.json and cannot be used")
    if tokenizer.eos_token is None:
        raise UserError("the model's tokenizer names no end token; set eos_token in its config")
    named = {
        name: str(token)
        for name, token in tokenizer.special_tokens_map.items()
        if isinstance(token, str) or hasattr(token, "content")
    }
    template = getattr(tokenizer, "chat_template", None)
    return _encoder(backend, named, template if isinstance(template, str) else None)


def read_encoder(folder: Path) -> TextEncoder | None:
    """Open a tokenizer folder without transformers; None where that takes more than two files."""
    from tokenizers import Tokenizer

    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception:
        return None
    named = {
        name: token["content"] if isinstance(token, dict) else token
        for name, token in config.items()
        if name.endswith("_token") and isinstance(token, str | dict)
    }
    template_file = folder / "chat_template.jinja"
    template = config.get("chat_template")
    if template_file.is_file():
        template = template_file.read_text(encoding="utf-8")
    if "eos_token" not in named or not isinstance(template, str | None):
        return None
    backend.no_truncation()
    backend.no_padding()
    return _encoder(backend, named, template)


def tiny_encoder() -> TextEncoder:
    """Return the encoder of the model `tiny`.

    Raises:
        UserError: The package's own file is damaged.
    """
    encoder = read_encoder(TINY)
    if encoder is None:
        raise UserError("the package's own tokenizer is damaged; install moai-tui again")
    return encoder


def gpt2_files() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return GPT-2's vocabulary and merges as they ship with the package."""
    vocabulary = json.loads(gzip.decompress((GPT2 / "vocab.json.gz").read_bytes()))
    lines = gzip.decompress((GPT2 / "merges.txt.gz").read_bytes()).decode().split("\n")
    merges = [tuple(line.split(" ")) for line in lines[1:] if line]
    return vocabulary, [(first, second) for first, second in merges]


def gpt2_encoder() -> TextEncoder:
    """Return the encoder of GPT-2 and the Cerebras-GPT family."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    vocabulary, merges = gpt2_files()
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(_GPT2_END, normalized=False, special=True)])
    named = {"bos_token": _GPT2_END, "eos_token": _GPT2_END}
    return _encoder(backend, named, None)


def _encoder(backend: Tokenizer, named: dict[str, str], template: str | None) -> TextEncoder:
    begin = named.get("bos_token")
    begins = backend.encode("a", add_special_tokens=True).ids
    adds = begin is not None and begins and begins[0] == backend.token_to_id(begin)
    return TextEncoder(
        backend=backend,
        end_token=named["eos_token"],
        begin_token=begin if adds else None,
        chat_template=template,
        special_tokens=named,
    )
