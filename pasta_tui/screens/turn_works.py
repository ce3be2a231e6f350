"""Which keys of the turn's screen do something now, and what is said of one that does not."""

from __future__ import annotations

from pasta_tui.session_state import SessionView, Stage

__all__ = ["instead", "works"]


def works(action: str, parameters: tuple[object, ...], view: SessionView, rated: bool) -> bool | None:
    """Whether an action makes sense now: False if it does not, None if it must wait.

    `rated` says that a rater chooses, not a person.
    """
    match action:
        case "column":
            return view.shown > 0 and parameters[0] in range(1, len(view.columns) + 1)
        case "take":
            return False if rated else (True if view.stage is Stage.ASKING or view.halted else None)
        case "none":
            return not (rated or view.study) and (view.stage is Stage.ASKING or None)
        case "others":
            return not (rated or view.study or view.blind) and (bool(view.others) or None)
        case "critique":
            return not rated and view.stage is not Stage.FINISHED
        case "prompts":
            return not view.blind
        case "zoom" | "save" | "save_column" | "open" | "sheet":
            return True if view.painted else None
        case "why":
            return view.shown > 0 or None
        case "stop":
            return view.working
        case "go_on":
            return view.halted
        case _:
            return True


def instead(key: str, view: SessionView, rated: bool, leave: str, helps: str) -> str:
    """What would work where a key does nothing; `leave` quits and `helps` lists the keys."""
    if key in "0a" and not (rated or view.study or view.stage is Stage.ASKING) and view.shown:
        return "the slate is not painted yet" if view.working else "there is no slate to answer"
    if key.isdecimal() and view.shown > 0:
        columns = len(view.columns)
        return f"there is only column 1, not {key}" if columns == 1 else f"columns are 1 to {columns}"
    if key.isdecimal():
        return "the columns come with turn 1"
    if key == "q":
        return f"{leave} quits; what is finished is kept"
    return f"{key} does nothing now; {helps} lists the keys"
