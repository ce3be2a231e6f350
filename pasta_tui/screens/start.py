"""The start screen: a prompt, examples of what the profile can paint, and sessions to go on with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from pasta_core.errors import PastaError
from pasta_core.text import clean, told
from pasta_tui.screens.choices import Choices
from pasta_tui.screens.prompt_entry import PromptEntry
from pasta_tui.screens.requests import StartRequest
from pasta_tui.screens.telling import TellingScreen
from pasta_tui.screens.when import ago
from pasta_tui.widgets.keys import KeyLine

if TYPE_CHECKING:
    from pasta_core.sessions.records import SessionInfo

__all__ = ["BrowseFactory", "StartFacts", "StartScreen", "session_line"]

BrowseFactory = Callable[[], Screen[StartRequest | None]]
"""Makes the screen of past sessions."""

_RECENT = 8
_FEW = 3
_AROUND = 13
"""Lines of everything but the examples and the sessions."""
_LOW = 16
"""Lines of a window below which nothing is said twice."""


@dataclass(frozen=True)
class StartFacts:
    """One profile as the start screen tells it; `problem` says in one line why it cannot be used, if so."""

    profile: str
    description: str
    max_words: int
    examples: tuple[str, ...] = ()
    needs: str = ""
    problem: str = ""
    vocabulary: frozenset[str] = frozenset()


class StartScreen(TellingScreen[StartRequest | None]):
    """Asks what to begin or to go on with; None means that the person wants to leave.

    The first of `profiles` is in use until the person switches. `recent` reads the sessions, the latest
    first, in a thread, after the first paint.
    """

    CSS_PATH = "start.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape", "back", "Back", id="start.back", show=False, tooltip="Back to the prompt, then out."
        ),
        Binding("ctrl+b", "browse", "Browse", id="start.browse", tooltip="Look through past sessions."),
        Binding("ctrl+o", "profile", "Profile", id="start.profile", tooltip="Use the next set of models."),
    ]

    def __init__(
        self,
        profiles: Sequence[StartFacts],
        recent: Callable[[], Sequence[SessionInfo]],
        clock: Callable[[], datetime],
        browse: BrowseFactory | None = None,
    ) -> None:
        super().__init__()
        self._profiles = tuple(profiles)
        self._at = 0
        self._recent = recent
        self._clock = clock
        self._browse = browse
        self._sessions: tuple[SessionInfo, ...] = ()
        self._complaint = ""

    @property
    def facts(self) -> StartFacts:
        """The profile in use."""
        return self._profiles[self._at]

    def compose(self) -> ComposeResult:
        """From the top: who we are, the prompt, examples, sessions."""
        with Horizontal(id="head"):
            yield Static("pasta", id="name", markup=False)
            yield Static(id="profile", markup=False)
        yield Static(id="about", markup=False)
        with Horizontal(id="middle"), VerticalScroll(id="form", can_focus=False):
            yield Static("What do you want to see?", id="question", markup=False)
            yield PromptEntry(
                self.facts.max_words, placeholder="a few words will do; Enter begins", id="entry"
            )
            yield Static("Or begin with", id="examples-title", classes="title", markup=False)
            yield Choices(id="examples", compact=True)
            yield Static("Or go on with", id="recent-title", classes="title", markup=False)
            yield Choices(id="recent", compact=True)
        yield KeyLine()

    def on_mount(self) -> None:
        """Fill in the profile; the sessions follow when they are read."""
        self._show_profile()
        self._show_recent()
        self.query_one(PromptEntry).area.focus()
        self.run_worker(self._load_recent(), exit_on_error=False)

    def on_resize(self) -> None:
        """In a low window what can be done comes first."""
        self.set_class(self.size.height < _LOW, "-low")
        self._show_recent()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what there is."""
        if action == "profile":
            return len(self._profiles) > 1
        if action == "browse":
            return self._browse is not None
        return super().check_action(action, parameters)

    def action_back(self) -> None:
        """Back to the prompt; from an empty one out."""
        entry = self.query_one(PromptEntry)
        if self.focused is entry.area and not entry.text.strip():
            self.dismiss(None)
        else:
            entry.area.focus()

    def action_profile(self) -> None:
        """Use the next profile."""
        self._at = (self._at + 1) % len(self._profiles)
        self._show_profile()

    def action_browse(self) -> None:
        """Look through past sessions, and go on with one that is chosen there."""
        if self._browse is not None:
            self.app.push_screen(self._browse(), self._browsed)

    def _browsed(self, request: StartRequest | None) -> None:
        if request is not None:
            self.dismiss(request)
        else:
            self.run_worker(self._load_recent(), exit_on_error=False)

    @on(PromptEntry.Submitted)
    def _begin(self, event: PromptEntry.Submitted) -> None:
        if self.facts.problem:
            self.notify(clean(self.facts.problem).text, severity="error", markup=False)
            return
        self.dismiss(StartRequest(prompt=event.prompt, profile=self.facts.profile))

    @on(OptionList.OptionSelected, "#examples")
    def _take_example(self, event: OptionList.OptionSelected) -> None:
        entry = self.query_one(PromptEntry)
        entry.text = self.facts.examples[event.option_index]
        entry.area.focus()

    @on(OptionList.OptionSelected, "#recent")
    def _resume(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(StartRequest(resume=self._sessions[event.option_index].id))

    def _show_profile(self) -> None:
        facts = self.facts
        needs = f" ({clean(facts.needs).text})" if facts.needs else ""
        told = f"cannot be used: {facts.problem}" if facts.problem else facts.description
        self.query_one("#profile", Static).update(Content(f"profile {facts.profile}{needs}"))
        about = self.query_one("#about", Static)
        about.update(Content(clean(told).text))
        about.set_class(bool(facts.problem), "-wrong")
        self.query_one(PromptEntry).limit(facts.max_words, facts.vocabulary, facts.profile)
        examples = self.query_one("#examples", Choices)
        examples.clear_options()
        examples.add_options([Option(Content(clean(example).text)) for example in facts.examples])
        for part in ("#examples", "#examples-title"):
            self.query_one(part).display = bool(facts.examples)

    async def _load_recent(self) -> None:
        try:
            sessions = await asyncio.to_thread(self._recent)
        except PastaError as error:
            self._complaint = f"Past sessions cannot be read: {told(error)}"
        else:
            self._sessions, self._complaint = tuple(sessions), ""
        self._show_recent()

    def _show_recent(self) -> None:
        now = self._clock()
        room = self.size.height - _AROUND - len(self.facts.examples)
        shown = self._sessions[: min(_RECENT, max(_FEW, room))]
        recent = self.query_one("#recent", Choices)
        if recent.option_count != len(shown) or not recent.has_focus:
            recent.clear_options()
            recent.add_options([Option(session_line(info, now)) for info in shown])
        more = len(shown) < len(self._sessions) and self._browse is not None
        title = f"Or go on with   (Ctrl-B shows all {len(self._sessions)})" if more else "Or go on with"
        self.query_one("#recent-title", Static).update(Content(self._complaint or title))
        recent.display = bool(shown)
        self.query_one("#recent-title").display = bool(shown or self._complaint)


def session_line(info: SessionInfo, now: datetime) -> Content:
    """One session in one line: star, turns, age, prompt, id."""
    turns = f"{info.turns_chosen}/{info.made_of.settings.turns}"
    star = "★" if info.starred else " "
    return Content.assemble(
        (f"{info.id}  ", "dim"),
        f"{turns:>5}  ",
        (f"{ago(info.updated_at, now):14} ", "dim"),
        (f"{star} ", "$warning"),
        clean(info.made_of.prompt).text,
    )
