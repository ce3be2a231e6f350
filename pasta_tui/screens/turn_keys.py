"""What can be done on the turn's screen, by which key."""

from __future__ import annotations

from textual.binding import Binding

__all__ = ["STOP", "TURN_BINDINGS"]

_MOST_COLUMNS = 9
_DIGITS = Binding.Group("Column", compact=True)
_ARROWS = Binding.Group("Select", compact=True)

STOP = Binding(
    "ctrl+c",
    "stop",
    "Stop",
    id="turn.stop",
    tooltip="Stop the running work; what is finished is kept.",
)

TURN_BINDINGS = [
    *[
        Binding(
            str(number),
            f"column({number})",
            f"Column {number}",
            id=f"turn.column-{number}",
            show=False,
            tooltip="Select a column.",
            group=_DIGITS,
        )
        for number in range(1, _MOST_COLUMNS + 1)
    ],
    *[
        Binding(
            name.lower(),
            f"move({dx}, {dy})",
            name,
            id=f"turn.{name.lower()}",
            show=False,
            tooltip="Select another image.",
            group=_ARROWS,
        )
        for name, dx, dy in (("Left", -1, 0), ("Right", 1, 0), ("Up", 0, -1), ("Down", 0, 1))
    ],
    Binding(
        "enter",
        "take",
        "Take",
        id="turn.take",
        tooltip="Take the selected column, or go on after a stop.",
    ),
    Binding(
        "0",
        "none",
        "None",
        id="turn.none",
        tooltip="Take none of these: that teaches, and the turn is proposed again.",
    ),
    Binding(
        "a",
        "others",
        "Others",
        id="turn.others",
        tooltip="List the prompts that are not shown; one can replace the column.",
    ),
    Binding("z", "zoom", "Zoom", id="turn.zoom", tooltip="Show the selected image on the whole screen."),
    # Priority: the words may be typed before the key has gone its way, and must not be taken for keys.
    Binding(
        "c",
        "critique",
        "Critique",
        id="turn.critique",
        tooltip="Say in 12 words what should change.",
        priority=True,
    ),
    Binding(
        "w", "why", "Why", id="turn.why", tooltip="Say why these columns are shown: to please or to learn."
    ),
    Binding("b", "belief", "Belief", id="turn.belief", tooltip="Show or hide what your choices have taught."),
    Binding("s", "save", "Save", id="turn.save", tooltip="Copy the selected image to where you work."),
    Binding("p", "prompts", "Prompts", id="turn.prompts", tooltip="Show or hide prompts and categories."),
    Binding(
        "S",
        "save_column",
        "Save column",
        id="turn.save-column",
        show=False,
        tooltip="Copy all images of the column.",
    ),
    Binding("o", "open", "Open", id="turn.open", tooltip="Open the selected image in your image viewer."),
    Binding(
        "x", "sheet", "Sheet", id="turn.sheet", tooltip="Write the slate as one picture, a contact sheet."
    ),
    Binding("r", "go_on", "Go on", id="turn.go-on", tooltip="Go on with what was stopped or has failed."),
    STOP,
]
