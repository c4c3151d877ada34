"""Bricks by name: every family (activations, losses, optimizers, …) keeps one table of names.

A brick is a dataclass or a plain function. `Family.get("adam")` finds it, `config` turns it into
plain JSON data and `from_config` makes it again, so that users' own bricks save and load by name.
"""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from chainrule.errors import UsageError, unknown_name

Brick = TypeVar("Brick")
Registered = TypeVar("Registered", bound=Callable[..., Any])


class Family(Generic[Brick]):
    """The named bricks of one kind.

    `base` is the class its bricks belong to (any callable: None). `wrapper` is a brick made from a
    user's plain function, which it keeps as `function`; without one, a function is a brick itself.
    """

    all: ClassVar[dict[str, Family[Any]]] = {}

    def __init__(
        self, kind: str, base: type[Any] | None = None, wrapper: type[Any] | None = None
    ) -> None:
        self.kind, self.base, self.wrapper = kind, base, wrapper
        self._names: dict[str, str] = {}  # by key, as registered
        self._items: dict[str, Any] = {}  # by key
        self._name_of: dict[Any, str] = {}
        Family.all[kind] = self

    def register(self, *names: str) -> Callable[[Registered], Registered]:
        """A decorator that enters a class or function under `names`, the first being its own.

        Names differ by more than capitals and underscores. A name of chainrule's own cannot be
        taken; a user's own name can, so that a cell of a notebook may run twice.

        >>> colours = Family("colour")
        >>> @colours.register("red", "rouge")
        ... def red(): ...
        >>> colours.get("Rouge") is red
        True
        """
        for name in names:
            if not isinstance(name, str) or not _key(name):
                raise UsageError(
                    f"{name!r} cannot name {self._one}: give a word, such as 'my_{self.kind}'."
                )

        def enter(item: Registered) -> Registered:
            if not callable(item):
                raise UsageError(
                    f"{item!r} cannot be registered as {self._one}: give a class or a function."
                )
            for name in names:
                holder = self._items.get(_key(name))
                if holder is not None and holder is not item and _ours(holder):
                    raise UsageError(
                        f"The name {name!r} is that of chainrule's own {self.kind} "
                        f"{self._name_of[holder]!r}: choose another."
                    )
            for name in names:
                self._names.setdefault(_key(name), name)
                self._items[_key(name)] = item
            self._name_of[item] = names[0]
            return item

        return enter

    def names(self) -> list[str]:
        """Every name known."""
        return sorted(self._names.values())

    def find(self, name: str) -> Any:
        """The class or function registered under a name."""
        if _key(name) not in self._items:
            raise unknown_name(self.kind, name, self.names())
        return self._items[_key(name)]

    def get(self, given: Any) -> Brick:
        """The brick for a name, a configuration, a class or a function; a brick is returned as it
        is.
        """
        if isinstance(given, Mapping):
            return self.from_config(given)
        item = self.find(given) if isinstance(given, str) else given
        if inspect.isclass(item) and (item in self._name_of or issubclass(item, self.base or item)):
            try:
                item = item()
            except TypeError as error:
                raise UsageError(
                    f"The {self.kind} {item.__name__} needs settings: "
                    f"give an object, {item.__name__}(…)."
                ) from error
        return self._as_brick(item)

    def knows(self, item: Any) -> bool:
        """Whether the brick, or its class, has a name here."""
        item = self._unwrapped(item)
        return type(item) in self._name_of or (inspect.isfunction(item) and item in self._name_of)

    def config(self, item: Any) -> dict[str, Any]:
        """The brick as plain JSON data: its family, its name and its settings.

        A brick may put another in its place with a method `saved`.
        """
        item = self._unwrapped(item)
        item = item.saved() if hasattr(item, "saved") else item
        if not self.knows(item):
            raise UsageError(
                f"The {self.kind} {getattr(item, '__name__', item)!r} has no name to be saved "
                f"under: register it with @chainrule.register({self.kind!r}, 'its_name')."
            )
        if inspect.isfunction(item):
            return {"family": self.kind, "name": self._name_of[item]}
        name = self._name_of[type(item)]
        settings = {}
        for setting in inspect.signature(type(item)).parameters:
            if not hasattr(item, setting):
                raise UsageError(
                    f"The {self.kind} {name!r} cannot be saved: it takes {setting!r} but does not "
                    "keep it. Make the class a dataclass."
                )
            settings[setting] = encode(getattr(item, setting))
        return {"family": self.kind, "name": name, "settings": settings}

    def from_config(self, config: Mapping[str, Any]) -> Brick:
        """The brick a configuration describes."""
        if config.get("family", self.kind) != self.kind:
            raise UsageError(f"A {config['family']} was given where {self._one} is expected.")
        name, settings = config.get("name"), config.get("settings", {})
        if not isinstance(name, str) or not isinstance(settings, Mapping):
            raise UsageError(
                f"{dict(config)} does not describe {self._one}: expected 'name' and 'settings'."
            )
        item = self.find(name)
        if inspect.isclass(item):
            try:
                item = item(**{setting: decode(value) for setting, value in settings.items()})
            except TypeError as error:
                raise UsageError(
                    f"The {self.kind} {name!r} does not take these settings: {error}."
                ) from error
        return self._as_brick(item)

    @property
    def _one(self) -> str:
        return f"{'an' if self.kind[0] in 'aeiou' else 'a'} {self.kind}"

    def _as_brick(self, item: Any) -> Brick:
        fits = callable(item) if self.base is None else isinstance(item, self.base)
        if not fits and self.wrapper is not None and callable(item) and not inspect.isclass(item):
            item, fits = self.wrapper(item), True
        if not fits:
            known = ", ".join(self.names())
            raise UsageError(f"{item!r} is not {self._one}: give a name ({known}) or an object.")
        brick: Brick = item
        return brick

    def _unwrapped(self, item: Any) -> Any:
        wrapped = self.wrapper is not None and isinstance(item, self.wrapper)
        return item.function if wrapped else item


def encode(value: Any) -> Any:
    """A setting as JSON data; bricks inside bricks become their configurations."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    for family in Family.all.values():
        if family.knows(value):
            return family.config(value)
    if isinstance(value, (list, tuple)):
        return [encode(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        return value.tolist()
    raise UsageError(
        f"The setting {getattr(value, '__name__', value)!r} cannot be saved: it is neither a "
        "number, a text or a list of them, nor registered with @chainrule.register."
    )


def decode(value: Any) -> Any:
    """The setting that `encode` turned into JSON data."""
    if isinstance(value, Mapping):
        if "family" not in value:
            return {k: decode(v) for k, v in value.items()}
        if value["family"] not in Family.all:
            raise unknown_name("kind of brick", value["family"], Family.all)
        return Family.all[value["family"]].from_config(value)
    if isinstance(value, list):
        return [decode(v) for v in value]
    return value


def register(kind: str, *names: str) -> Callable[[Registered], Registered]:
    """A decorator that gives a user's own brick a name: `@register("activation", "my_own")`."""
    if kind not in Family.all:
        raise unknown_name("kind of brick", kind, Family.all)
    if not names:
        raise UsageError(f"Give the {kind} a name: @register({kind!r}, 'its_name').")
    return Family.all[kind].register(*names)


def check(settings: Any, called: str | None = None, /, **expected: str) -> None:
    """Raise a `UsageError` for a setting outside its range.

    `settings` is an object with the settings as attributes, named in the sentence by its class or
    as it is `called`. A range reads `[0, 1)`, `whole [1, inf)` or `(0, inf) or None`.
    """
    for setting, wanted in expected.items():
        value = getattr(settings, setting)
        if value is None and wanted.endswith(" or None"):
            continue
        whole = wanted.startswith("whole ")
        interval = wanted.removeprefix("whole ").removesuffix(" or None")
        low, high = map(float, interval[1:-1].split(","))
        fits = isinstance(value, numbers.Integral if whole else numbers.Real)
        number = float(value) if fits and not isinstance(value, bool) else math.nan
        above = low < number or (interval[0] == "[" and low == number)
        below = number < high or (interval[-1] == "]" and number == high)
        if not (above and below):
            raise UsageError(
                f"{called or type(settings).__name__}: {setting} is {value!r}, "
                f"expected a {'whole ' if whole else ''}number in {wanted.removeprefix('whole ')}."
            )


def _key(name: str) -> str:
    """What names are compared by: `HeNormal`, `he_normal` and `he-normal` are one."""
    return "".join(c for c in name.lower() if c not in "_- ")


def _ours(item: Any) -> bool:
    return str(getattr(item, "__module__", "")).split(".")[0] == __name__.split(".")[0]
