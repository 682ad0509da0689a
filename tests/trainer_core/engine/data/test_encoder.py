"""Text to ids: masks exact to the token, special tokens only where they are meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from tokenizers.decoders import Metaspace

from trainer_core.engine.data.encoder import (
    TextEncoder,
    encoder_of,
    gpt2_encoder,
    read_encoder,
    tiny_encoder,
)
from trainer_core.engine.data.render import Piece, Rendered
from trainer_core.errors import UserError

END = "<|endoftext|>"


def rendered(*pieces: Piece, special: bool = False) -> Rendered:
    return Rendered(pieces=pieces, special=special, prompt="", before="", answer="")


ROW = rendered(
    Piece(text="[INST] größer [/INST]\n", counted=False),
    Piece(text="def f():\n    pass", counted=True, end=True),
)


def spaced_encoder() -> TextEncoder:
    """A tokenizer that puts a space before every text it gets, and a begin token, as Llama 2."""
    words = ["<s>", "</s>", "▁", "▁a", "b", "▁[", "[", "]", "\n", "a", "c", "<unk>", "▁b"]
    backend = Tokenizer(
        models.BPE(
            vocab={word: place for place, word in enumerate(words)},
            merges=[("▁", "a"), ("▁", "["), ("▁", "b")],
            unk_token="<unk>",
        )
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    backend.decoder = Metaspace(prepend_scheme="always")
    backend.add_special_tokens(["<s>", "</s>"])
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair=None, special_tokens=[("<s>", 0)]
    )
    return TextEncoder(backend=backend, end_token="</s>", begin_token="<s>")


def test_what_counts_is_the_answer_and_its_end(encoder: TextEncoder) -> None:
    (row,) = encoder.encode([ROW])
    assert encoder.backend.decode(row.tokens.tolist(), skip_special_tokens=False) == (
        "[INST] größer [/INST]\ndef f():\n    pass" + END
    )
    counted = row.tokens[row.counted == 1].tolist()
    assert encoder.backend.decode(counted, skip_special_tokens=False) == (
        "def f():\n    pass" + END
    )
    assert counted[-1] == encoder.end_id


def test_a_prompt_has_the_ids_it_has_when_a_model_is_asked(encoder: TextEncoder) -> None:
    (row,) = encoder.encode([ROW])
    alone = encoder.backend.encode("[INST] größer [/INST]\n").ids
    assert row.tokens[row.counted == 0].tolist() == alone


def test_special_tokens_in_data_stay_text_and_in_templates_do_not(encoder: TextEncoder) -> None:
    piece = Piece(text=f"say {END}", counted=True)
    data, template = encoder.encode([rendered(piece), rendered(piece, special=True)])
    assert encoder.end_id not in data.tokens
    assert template.tokens[-1] == encoder.end_id
    assert encoder.backend.decode(data.tokens.tolist()) == f"say {END}"


def test_a_tokenizer_that_puts_spaces_is_given_whole_texts() -> None:
    """Encoded in pieces, the answer would begin with a space that nobody wrote."""
    encoder = spaced_encoder()
    row = rendered(Piece(text="[a]\n", counted=False), Piece(text="bc", counted=True, end=True))
    (found,) = encoder.encode([row])
    tokens = [encoder.backend.id_to_token(token) for token in found.tokens.tolist()]
    assert tokens == ["<s>", "▁[", "a", "]", "\n", "b", "c", "</s>"]
    assert found.counted.tolist() == [0, 0, 0, 0, 0, 1, 1, 1]


def test_the_begin_token_stands_once() -> None:
    encoder = spaced_encoder()
    (row,) = encoder.encode([rendered(Piece(text="<s>a", counted=False), special=True)])
    assert row.tokens.tolist().count(0) == 1


def test_gpt2_is_whole_and_known() -> None:
    encoder = gpt2_encoder()
    assert encoder.vocabulary == 50257
    (row,) = encoder.encode([rendered(Piece(text="Hello world", counted=True, end=True))])
    assert row.tokens.tolist() == [15496, 995, 50256]
    text = "def f(x):\n    return x + 1\n"
    assert encoder.backend.encode(text).ids == [
        *(4299, 277, 7, 87, 2599, 198, 220, 220, 220, 1441, 2124, 1343, 352, 198)
    ]
    strange = "größer ≥ 1 \u200b 日本 🎉\x00"
    assert encoder.backend.decode(encoder.backend.encode(strange).ids) == strange


def test_tiny_is_whole_and_its_own() -> None:
    encoder = tiny_encoder()
    assert (encoder.vocabulary, encoder.end_token, encoder.begin_token) == (4096, END, None)
    strange = "größer ≥ 1 \u200b 日本 🎉\x00\n\n    x"
    assert encoder.backend.decode(encoder.backend.encode(strange).ids) == strange


def test_fingerprints_tell_tokenizers_apart(encoder: TextEncoder) -> None:
    assert encoder.fingerprint() == tiny_encoder().fingerprint()
    assert encoder.fingerprint() != gpt2_encoder().fingerprint()


def test_a_folder_is_read_with_its_template(tmp_path: Path, encoder: TextEncoder) -> None:
    encoder.backend.save(str(tmp_path / "tokenizer.json"))
    config = {"eos_token": {"content": END}, "bos_token": None}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    found = read_encoder(tmp_path)
    assert found is not None
    assert found.chat_template == "{{ messages }}"
    assert found.special_tokens == {"eos_token": END}
    (tmp_path / "tokenizer.json").write_text("{")
    assert read_encoder(tmp_path) is None
    assert read_encoder(tmp_path / "nowhere") is None


def test_tokenizers_that_cannot_train_are_refused(encoder: TextEncoder) -> None:
    """The trap of transformers 5: files given the old way make a tokenizer of one entry."""
    with pytest.raises(UserError, match="encodes text to nothing"):
        TextEncoder(backend=Tokenizer(models.BPE()), end_token=END)
    with pytest.raises(UserError, match="'</s>' is not in its vocabulary"):
        TextEncoder(backend=encoder.backend, end_token="</s>")
    with pytest.raises(UserError, match=r"no tokenizer\.json"):
        encoder_of(object())
