"""What can be done on a screen, by which key: as data, and as the screen's last line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget

from pasta_tui.terminal.text import cell_width

__all__ = ["KeyLine", "Offer", "fitting", "key_of", "offers"]

_PINNED = ("help", "quit")
_GAP = 2
_PALETTE = "Find every action by its name, and the colours."


@dataclass(frozen=True)
class Offer:
    """One thing that can be done now, and all keys that do it; a group of bindings is one thing.

    `label` is short, `does` a sentence, `show` whether the last line names it; the first key's `action` is
    what a click does, on the screen's part `node`.
    """

    name: str
    keys: tuple[str, ...]
    grouped: bool
    label: str
    does: str
    show: bool
    enabled: bool
    action: str
    node: DOMNode

    @property
    def text(self) -> str:
        """What the last line says of it: the first key of one action, all keys of a group."""
        return f"{''.join(self.keys) if self.grouped else self.keys[0]} {self.label}"


def offers(screen: Screen[Any]) -> list[Offer]:
    """Everything that has a key on a screen, in the order of the bindings."""
    found: dict[object, Offer] = {}
    typing = screen.focused is not None and screen.focused.check_consume_key("a", "a")
    for active in screen.active_bindings.values():
        binding = active.binding
        palette = binding.key == screen.app.COMMAND_PALETTE_BINDING
        does = _PALETTE if palette else active.tooltip or binding.tooltip
        if (binding.system and not palette) or not does:
            continue
        key = screen.app.get_key_display(binding)
        if typing and len(key) == 1 and key.isascii():
            continue
        of = binding.group or binding.id or binding.action
        if of in found:
            found[of] = _also(found[of], key, active.enabled)
        else:
            found[of] = Offer(
                name=binding.id or binding.action,
                keys=(key,),
                grouped=binding.group is not None,
                label=_label(binding, palette),
                does=does,
                show=binding.show or palette,
                enabled=active.enabled,
                action=binding.action,
                node=active.node,
            )
    return list(found.values())


def key_of(screen: Screen[Any], name: str, default: str) -> str:
    """The key that an action has on a screen, as people write it; `default` where it has none."""
    keys = next((offer.keys for offer in offers(screen) if offer.name == name), (default,))
    return keys[0].replace("⏎", "Enter").replace("^q", "Ctrl-Q")


def _also(offer: Offer, key: str, enabled: bool) -> Offer:
    """The same thing, done by one more key."""
    keys = tuple(dict.fromkeys((*offer.keys, key)))
    return replace(offer, keys=keys, enabled=offer.enabled or enabled)


def _label(binding: Binding, palette: bool) -> str:
    if palette:
        return "More"
    return binding.group.description if binding.group else binding.description


def fitting(offered: Iterable[Offer], width: int) -> list[Offer]:
    """What a line of `width` cells has room for: help and quitting first, then the others in their order."""
    shown = [offer for offer in offered if offer.show]
    kept: set[int] = set()
    left = width
    for place in sorted(range(len(shown)), key=lambda place: shown[place].name not in _PINNED):
        cost = cell_width(shown[place].text) + 1
        if cost <= left:
            kept.add(place)
            left -= cost
    return [offer for place, offer in enumerate(shown) if place in kept]


class KeyLine(Widget):
    """The keys that do something now, as many as there is room for; a click does the same.

    Textual's own footer makes a widget of every key, anew at every change, and holds the whole screen back
    while it does.
    """

    DEFAULT_CSS = """
    KeyLine { dock: bottom; height: 1; width: 100%; padding: 0 1; background: $footer-background; }
    """
    ALLOW_SELECT = False
    can_focus = False

    def __init__(self) -> None:
        super().__init__()
        self._offers: Sequence[Offer] = ()

    def on_mount(self) -> None:
        """Follow the bindings."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        self._changed(self.screen)

    def on_unmount(self) -> None:
        """Follow them no longer."""
        self.screen.bindings_updated_signal.unsubscribe(self)

    def render(self) -> Content:
        """The line."""
        shown = fitting(self._offers, self.content_size.width + 1)
        gap = " " * self._gap(shown)
        return Content(gap).join([_said(offer) for offer in shown])

    async def on_click(self, event: events.Click) -> None:
        """Do what the key does."""
        event.stop()
        shown = fitting(self._offers, self.content_size.width + 1)
        gap = self._gap(shown)
        ends = accumulate(cell_width(offer.text) + gap for offer in shown)
        at = event.x - self.gutter.left
        for offer, end in zip(shown, ends, strict=True):
            if at < end:
                if offer.enabled:
                    await self.app.run_action(offer.action, offer.node)
                return

    def _gap(self, shown: Sequence[Offer]) -> int:
        """Cells between the keys: wide where there is room."""
        taken = sum(cell_width(offer.text) for offer in shown)
        return _GAP if taken + _GAP * (len(shown) - 1) <= self.content_size.width else 1

    def _changed(self, screen: Screen[Any]) -> None:
        if screen is not self.screen:
            return
        offered = [offer for offer in offers(screen) if offer.show]
        if offered != self._offers:
            self._offers = offered
            self.refresh()


def _said(offer: Offer) -> Content:
    keys, _, label = offer.text.partition(" ")
    if not offer.enabled:
        return Content.assemble((offer.text, "$foreground 35%"))
    return Content.assemble((keys, "$footer-key-foreground"), f" {label}")
