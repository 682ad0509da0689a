from __future__ import annotations

from moai_tui.pace import LEAST_BYTES, PATIENCE_SECONDS, QUESTION, Pace


class Bench:
    """A pace with a clock and timers that are turned by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, object]] = []
        self.asked: list[str] = []
        self.seen: list[str] = []
        self.pace = Pace(0.5, self.set_timer, self.asked.append, lambda: self.now)

    def set_timer(self, seconds, call):
        self.timers.append((self.now + seconds, call))

    def turn(self, seconds):
        end = self.now + seconds
        while due := sorted((t for t in self.timers if t[0] <= end), key=lambda t: t[0]):
            self.timers.remove(due[0])
            self.now = due[0][0]
            due[0][1]()
        self.now = end

    def fact(self, word, kind="runs"):
        self.pace.publish(kind, lambda: self.seen.append(word))


def test_facts_of_one_kind_come_calmly_and_the_newest_counts():
    bench = Bench()
    for word in "abc":
        bench.fact(word)
    assert bench.seen == ["a"]
    bench.turn(0.5)
    assert bench.seen == ["a", "c"]
    bench.fact("other", kind="devices")
    assert bench.seen[-1] == "other"


def test_facts_of_all_kinds_are_painted_at_one_beat():
    bench = Bench()
    bench.fact("a", kind="runs")
    bench.fact("b", kind="devices")
    for word in "cde":
        bench.turn(0.1)
        bench.fact(word, kind="runs" if word != "d" else "devices")
    assert bench.seen == ["a", "b"]
    bench.turn(0.2)
    assert bench.seen == ["a", "b", "e", "d"]
    assert bench.timers == []
    bench.fact("f")
    bench.pace.hurry("runs")
    bench.fact("g")
    assert bench.seen[-1] == "g", "the answer to a key waits for no beat"


def test_while_the_terminal_draws_live_facts_wait():
    bench = Bench()
    bench.pace.answered()
    bench.pace.wrote(LEAST_BYTES)
    assert bench.asked == [QUESTION]
    for word in "abc":
        bench.fact(word)
        bench.turn(1.0)
    assert bench.seen == [], "nothing is sent on top of what is not drawn yet"
    bench.pace.answered()
    assert bench.seen == ["c"]
    bench.pace.wrote(2 * LEAST_BYTES)
    bench.pace.answered()
    bench.fact("d")
    bench.turn(0.4)
    assert bench.seen == ["c"]
    bench.turn(0.2)
    assert bench.seen == ["c", "d"]


def test_a_slow_line_is_left_free_half_of_the_time():
    bench = Bench()
    bench.fact("a")
    bench.pace.wrote(LEAST_BYTES)
    bench.turn(3.0)
    bench.pace.answered()
    bench.fact("b")
    assert bench.seen == ["a", "b"]
    bench.fact("c")
    bench.turn(2.9)
    assert bench.seen == ["a", "b"]
    bench.turn(0.2)
    assert bench.seen == ["a", "b", "c"]


def test_at_rest_nothing_is_asked():
    bench = Bench()
    bench.pace.wrote(LEAST_BYTES - 1)
    bench.pace.wrote(LEAST_BYTES - 1)
    assert bench.asked == []


def test_a_terminal_that_never_answers_is_not_waited_for():
    bench = Bench()
    bench.pace.wrote(LEAST_BYTES)
    bench.fact("a")
    assert bench.seen == ["a"], "the first picture waits for nobody"
    bench.turn(PATIENCE_SECONDS)
    bench.pace.wrote(10 * LEAST_BYTES)
    assert bench.asked == [QUESTION], "it is not asked again"
    bench.fact("b")
    assert bench.seen == ["a", "b"]


def test_one_lost_answer_is_waited_for_and_then_forgotten():
    bench = Bench()
    bench.pace.answered()
    bench.pace.wrote(LEAST_BYTES)
    bench.fact("a")
    bench.turn(PATIENCE_SECONDS - 1)
    assert bench.seen == []
    bench.turn(1)
    assert bench.seen == ["a"]
    bench.pace.wrote(10 * LEAST_BYTES)
    assert bench.asked == [QUESTION, QUESTION]
