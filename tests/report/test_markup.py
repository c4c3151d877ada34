from __future__ import annotations

from chainrule.report.markup import Html, join, table, tag


def test_whatever_is_not_markup_is_escaped() -> None:
    assert tag("p", "<b> & \"x\" 'y'") == "<p>&lt;b&gt; &amp; &quot;x&quot; &#x27;y&#x27;</p>"
    assert tag("p", tag("b", "<")) == "<p><b>&lt;</b></p>"
    assert tag("p", title='">') == '<p title="&quot;&gt;"></p>'
    assert join(["<", Html("<br>"), None, 3]) == "&lt;<br>3"


def test_attributes_that_are_none_or_false_are_left_out() -> None:
    assert tag("a", class_="x", aria_label="y", id=None, hidden=False, open=True) == (
        '<a class="x" aria-label="y" open></a>'
    )
    assert tag("br") == "<br>"


def test_words_too_long_for_a_column_may_be_broken() -> None:
    grid = table(["name", "n"], [["a" * 30, "1"], ["short", "2"]], numeric=frozenset({1}))
    assert '<th class="long" scope="row">aaa' in grid
    assert '<th scope="row">short' in grid
    assert '<td class="num">1</td>' in grid
