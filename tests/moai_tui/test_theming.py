from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from moai_tui import theming
from trainer_core.yaml_text import read_yaml_file

BUILTIN = ("colour-blind", "high-contrast", "moai-dark", "moai-light", "mono")


def contrast(one, two):
    """WCAG contrast of two colours. Source: https://www.w3.org/TR/WCAG21/#contrast-minimum ."""
    light, dark = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(text):
    parts = [part / 255 for part in Color.parse(text).rgb]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def written(folder, name, text):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def test_every_theme_of_the_package_loads_without_a_notice():
    found = theming.load_themes([theming.builtin_theme_dir()])
    assert sorted(theme.name for theme in found.themes) == sorted(BUILTIN)
    assert found.notices == ()


@pytest.mark.parametrize("name", BUILTIN)
def test_text_can_be_read_on_every_theme(name):
    themes = {t.name: t for t in theming.load_themes([theming.builtin_theme_dir()]).themes}
    theme = themes[name]
    assert contrast(theme.foreground, theme.background) >= 7
    colours = theming.variable_defaults(theme) | theme.variables
    for part in ("muted", "loss-train", "loss-eval", "load-low", "load-mid", "load-high"):
        assert contrast(colours[part], theme.background) >= 4.5, part
    back, front = colours["block-cursor-background"], colours["block-cursor-foreground"]
    assert contrast(back, front) >= 7
    assert contrast(colours["loss-train"], colours["loss-eval"]) >= 1.05, "told apart in grey"


def test_mono_has_no_colour():
    theme = next(
        t for t in theming.load_themes([theming.builtin_theme_dir()]).themes if t.name == "mono"
    )
    colours = [theme.primary, theme.error, theme.success, *theme.variables.values()]
    for text in (colour for colour in colours if colour.startswith("#")):
        red, green, blue = Color.parse(text).rgb
        assert red == green == blue


@pytest.mark.parametrize("name", sorted(BUILTIN_THEMES))
def test_textuals_own_themes_get_our_variables_too(name):
    defaults = theming.variable_defaults(BUILTIN_THEMES[name])
    assert defaults.keys() == theming.VARIABLES.keys() | theming.BLENDS.keys()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("name: x\nprimary: bleu\n", 2, "no colour"),
        ("name: x\n", 1, "primary is missing"),
        ('primary: "#fff"\n', 1, "name is missing"),
        ('name: x\nprimary: "#fff"\ndark: dunkel\n', 3, "true or false"),
        ('name: x\nprimary: "#fff"\ntext_alpha: 7\n', 3, "from 0 to 1"),
        ('name: x\nprimary: "#fff"\nvariables: red\n', 3, "holds no names"),
        ('name: x\nprimary: "#fff"\nvariables:\n  loss-train: rosso\n', 4, "no colour"),
        ("name: [x\nprimary: 2", 2, "not YAML"),
        ("- a\n", 1, "not a theme"),
    ],
)
def test_a_bad_file_is_one_sentence_with_its_line_and_the_others_load(tmp_path, text, line, words):
    bad = written(tmp_path, "bad.yaml", text)
    written(tmp_path, "good.yaml", 'name: good\nprimary: "#112233"\n')
    found = theming.load_themes([tmp_path])
    assert [theme.name for theme in found.themes] == ["good"]
    assert len(found.notices) == 1
    assert found.notices[0].startswith(f"{bad}:{line}: ")
    assert words in found.notices[0]


def test_an_unknown_key_is_left_out_with_the_nearest_one(tmp_path):
    path = written(tmp_path, "odd.yaml", 'name: odd\nprimary: "#fff"\nprimry: "#000"\n')
    found = theming.load_themes([tmp_path])
    assert [theme.name for theme in found.themes] == ["odd"]
    assert found.notices == (f"{path}:3: primry is not part of a theme; did you mean primary?",)


def test_a_users_theme_wins_over_ours_of_the_same_name(tmp_path):
    written(tmp_path, "mine.yaml", 'name: moai-dark\nprimary: "#123456"\n')
    found = theming.load_themes([theming.builtin_theme_dir(), tmp_path])
    mine = [theme for theme in found.themes if theme.name == "moai-dark"]
    assert [theme.primary for theme in mine] == ["#123456"]


async def test_the_app_opens_with_a_broken_user_theme_and_says_so(scripted_app, own_folders):
    written(theming.user_theme_dir(), "bad.yaml", "name: x\nprimary: bleu\n")
    app = scripted_app()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.theme == "moai-dark"
        assert any("bad.yaml:2" in text and not ok for text, ok in app.said)


@pytest.mark.parametrize(
    "text",
    [
        path.read_text(encoding="utf-8")
        for path in sorted(theming.builtin_theme_dir().glob("*.yaml"))
    ]
    + [
        "name: x\nprimary: #ff0000\n",
        "name: x\ndark: yes\n",
        "name: x\nname: y\n",
        "name: x\nvariables:\n",
        "name: x\n  primary: red\n",
        "name: 'x'\ntext_alpha: 0.5 # half\nluminosity_spread: 1e-1\n",
        "name: x\nvariables:\n  a: red\n  b:\n",
        "- name\n",
        "",
    ],
)
def test_what_is_read_without_yaml_is_what_yaml_reads(tmp_path, text):
    path = written(tmp_path, "mine.yaml", text)
    plainly = theming._plainly(path)
    if '\nprimary: "' in text:
        assert plainly is not None, "our own themes cost no PyYAML"
    if plainly is not None:
        assert plainly == read_yaml_file(path)
